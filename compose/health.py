"""Whether an address answers with success: the health check of images that have Python and no wget."""

import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 3


def main() -> int:
    """Ask; the exit status."""
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=TIMEOUT_SECONDS).close()
    except (urllib.error.URLError, OSError) as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
