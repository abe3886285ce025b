# Shared by the scripts of this folder: environments from the locks in requirements/, and Debian's packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHONDONTWRITEBYTECODE=1 UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never
# The environments are those made here, whatever the caller has activated or set.
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME

die() { echo "$(basename "$0"): $*" >&2; exit 1; }
step() { printf '\n== %s\n' "$*" >&2; }

# Print one interpreter for each supported Python version, from PATH and pyenv.
pythons() {
  local candidate
  for candidate in python3.12 python3.11 python3 python3.13 python "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.{11,12,13}.*/bin/python; do
    "$candidate" -c 'import os, sys
if (3, 11) <= sys.version_info < (3, 14) and sys.implementation.name == "cpython":
    print("%d.%d" % sys.version_info[:2], os.path.realpath(sys.executable))' 2>/dev/null || true
  done | awk '!seen[$1]++ { print $2 }'
}

# Print the first supported interpreter.
find_python() {
  local found
  mapfile -t found < <(pythons)
  [ ${#found[@]} != 0 ] || die "no Python 3.11, 3.12 or 3.13 found in PATH or pyenv: apt-get install python3"
  echo "${found[0]}"
}

# Install Debian packages: as root by apt-get, else say which are needed.
debian_packages() {
  command -v apt-get >/dev/null || die "please install: $*"
  [ "$(id -u)" = 0 ] || die "please install: sudo apt-get install $*"
  step "installing $*"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"; } >&2 || die "apt-get install $* failed"
}

need_redis() { command -v redis-server >/dev/null || debian_packages redis-server; }

need_chromium() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$name" >/dev/null && return
  done
  # With a font that has Chinese.
  debian_packages chromium fonts-wqy-microhei
}

need_postgresql() {
  ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || debian_packages postgresql
}

# A Docker daemon, which the test of docker-compose.yml starts by itself, and what its stand-in images are made of.
need_docker() {
  { command -v dockerd && command -v docker && command -v busybox && [ -x /usr/bin/python3 ]; } >/dev/null \
    || debian_packages docker.io iptables busybox-static python3
}

# uv, by hash, in an environment of its own.
need_uv() {
  UV=.venv-uv/bin/uv
  local wanted
  wanted=$(sha256sum requirements/uv.txt | cut -d' ' -f1)
  [ "$(cat .venv-uv/lock 2>/dev/null)" = "$wanted" ] && "$UV" --version >/dev/null 2>&1 && return
  [ -w . ] || die "cannot write in $PWD, where the environments are made"
  local python
  python=$(find_python)
  step "installing uv"
  rm -rf .venv-uv
  if ! "$python" -m venv .venv-uv >/dev/null 2>&1; then
    debian_packages python3-venv
    rm -rf .venv-uv
    "$python" -m venv .venv-uv || die "$python -m venv failed"
  fi
  .venv-uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt \
    || die "installing uv failed: is the package index reachable?"
  echo "$wanted" > .venv-uv/lock
}

# Create an environment that matches a lock file: environment <directory> <lock> [<python>]
environment() {
  need_uv
  local folder=$1 lock=$2 python=${3:-} wanted
  wanted=$(sha256sum "$lock" | cut -d' ' -f1)
  [ "$(cat "$folder/lock" 2>/dev/null)" = "$wanted" ] && "$folder/bin/python" -c '' 2>/dev/null && return
  [ -w . ] || die "cannot write in $PWD, where the environments are made"
  step "installing $lock in $folder"
  "$UV" venv --quiet --clear --python "${python:-$(find_python)}" "$folder"
  # Compiled, since nothing that runs later writes bytecode, and tests start thousands of interpreters.
  "$UV" pip install --quiet --compile-bytecode --python "$folder/bin/python" --require-hashes --no-deps -r "$lock" \
    || die "installing $lock failed: is the package index reachable?"
  echo "$wanted" > "$folder/lock"
}
