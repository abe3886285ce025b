"""docker-compose.yml and Dockerfile as they are written: versions, what is published, what each container may do."""

import re
import tomllib

import pytest
import yaml

from compose.setup import CONSUMERS, OWNERS, VALUES
from stack.programs import PROGRAMS, ROOT

FILE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = FILE["services"]
IMAGES_USED = {service["image"] for service in SERVICES.values()}
IMAGES = tomllib.loads((ROOT / "stack" / "versions.toml").read_text())["images"]


def test_images_are_of_the_native_stacks_versions():
    tags = {name: service["image"].partition(":")[2].removeprefix("v") for name, service in SERVICES.items()}
    native = {"collector": "otelcol", "prometheus": "prometheus", "alertmanager": "alertmanager"}
    for service, program in {**native, "jaeger": "jaeger", "mailpit": "mailpit"}.items():
        assert tags[service] == PROGRAMS[program].version
    for service in ("grafana", "redis", "postgresql"):
        assert tags[service] == IMAGES[service]
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"ARG PYTHON_IMAGE=python:{IMAGES['python']}\n" in dockerfile
    assert set(re.findall(r"(?m)^FROM (\S+)", dockerfile)) == {"${PYTHON_IMAGE}"}


def test_the_image_is_of_this_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {image for image in IMAGES_USED if image.startswith("wxiai-otel")} == {f"wxiai-otel:{version}"}
    # Several that build one image get into each other's way.
    assert [name for name, service in SERVICES.items() if "build" in service] == ["setup"]


def test_only_grafana_and_the_application_are_published_and_on_loopback():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"grafana", "application"}
    assert all(port.startswith("${PUBLISH_ADDRESS:-127.0.0.1}:") for (port,) in published.values())


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_may_do_more_than_it_must(name):
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in service
    assert service["pids_limit"]
    assert (service["user"].split(":")[0] == "0") == (name == "setup")
    assert set(service.get("cap_add", [])) <= ({"CHOWN", "DAC_OVERRIDE", "FOWNER"} if name == "setup" else set())


def test_all_state_is_in_volumes_that_have_owners():
    uses = {
        name: dict(volume.split(":")[:2] for volume in service.get("volumes", []) if not volume.startswith("."))
        for name, service in SERVICES.items()
    }
    assert {volume for used in uses.values() for volume in used} == set(FILE["volumes"])
    assert uses["setup"] == {
        "secrets": "/kept",
        **{f"{name}-secrets": f"/secrets/{name}" for name in CONSUMERS},
        **{name: f"/data/{name}" for name in OWNERS},
    }
    for name, user in {**OWNERS, **{name: one.user for name, one in CONSUMERS.items()}}.items():
        assert SERVICES[name]["user"].split(":")[0] == str(user)


def test_values_that_setup_checks_are_told_to_it():
    assert set(SERVICES["setup"]["environment"]) == set(VALUES)


def test_mounted_files_are_there():
    mounted = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    }
    assert mounted
    assert [path for path in mounted if not (ROOT / path).exists()] == []


def test_the_collectors_layers_are_the_native_ones():
    text = "\n".join(SERVICES["collector"]["command"])
    assert re.findall(r"otelcol/(\w+)\.yaml", text) == ["base", "contract", "traces", "self", "logs"]


def test_the_secured_collector_is_the_same_with_the_layer_and_its_secrets():
    (secured,) = yaml.safe_load((ROOT / "compose" / "secure.yml").read_text())["services"].values()
    assert secured["command"] == [*SERVICES["collector"]["command"], "--config=/etc/otelcol/secure.yaml"]
    mounts = dict(volume.split(":")[:2] for volume in secured["volumes"])
    assert mounts == {"./collector/secure.yaml": "/etc/otelcol/secure.yaml", "collector-secrets": "/run/secrets"}
    # Each file that the layer reads is one that setup hands out.
    layer = (ROOT / "collector" / "secure.yaml").read_text()
    files = dict(re.findall(r"\$\{env:(\w+):-secrets/([\w.]+)\}", layer))
    assert secured["environment"] == {name: f"/run/secrets/{file}" for name, file in files.items()}
    assert set(files.values()) == set(CONSUMERS["collector"].given)
    assert all(port.startswith("${COLLECTOR_PUBLISH_ADDRESS:-127.0.0.1}:") for port in secured["ports"])


def test_grafana_is_provisioned_as_its_documentation_says():
    """What cannot be started here: https://grafana.com/docs/grafana/latest/administration/provisioning/"""
    mounts = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    assert mounts["./dashboards/provisioning"] == "/etc/grafana/provisioning"
    folder = ROOT / "dashboards" / "provisioning"
    sources = yaml.safe_load((folder / "datasources" / "wxiai.yaml").read_text())
    assert sources["apiVersion"] == 1
    for source in sources["datasources"]:
        assert {"name", "uid", "type", "access", "url"} <= set(source)
        host, port = re.fullmatch(r"http://(\w+):(\d+)", source["url"]).groups()
        assert host in SERVICES
        assert any(f":{port}" in str(SERVICES[host].get(key)) for key in ("environment", "healthcheck"))
    (provider,) = yaml.safe_load((folder / "dashboards" / "wxiai.yaml").read_text())["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"] == mounts["./dashboards/json"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / "dashboards" / "json" / home.removeprefix(f"{mounts['./dashboards/json']}/")).is_file()
