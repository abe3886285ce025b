"""kubernetes/ as kustomize puts it together: valid by the official schemas, and read by the real programs."""

import base64
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from dashboards.files import UIDS
from stack.binaries import find
from stack.kubernetes import TARGET, text
from stack.programs import PROGRAMS, ROOT
from tests.kubernetes import schemas

FOLDER = ROOT / "kubernetes"
KINDS_OF_PODS = {"DaemonSet", "StatefulSet", "Deployment"}
# What a container of ours may do: nothing of these.
LEAST = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def test_the_rules_are_those_of_the_alerts():
    assert TARGET.read_text() == text(), "run scripts/generate"


def kustomized(folder) -> str:
    done = subprocess.run([find("kustomize"), "build", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built() -> str:
    return kustomized(FOLDER)


@pytest.fixture(scope="module")
def secured(tmp_path_factory) -> str:
    """As somebody else has it: over kubernetes/, with TLS and a token."""
    folder = tmp_path_factory.mktemp("overlay")
    base, component = (os.path.relpath(path, folder) for path in (FOLDER, FOLDER / "secure"))
    (folder / "kustomization.yaml").write_text(f"resources: [{base}]\ncomponents: [{component}]\n")
    return kustomized(folder)


@pytest.fixture(scope="module")
def objects(built) -> list[dict]:
    return parsed(built)


def parsed(manifests) -> list[dict]:
    return list(yaml.load_all(manifests, Loader=yaml.CSafeLoader))


def one(objects, kind, name) -> dict:
    (found,) = (each for each in objects if each["kind"] == kind and each["metadata"]["name"].startswith(name))
    return found


def pods(objects) -> list[tuple[str, dict]]:
    return [
        (each["metadata"]["name"], each["spec"]["template"]["spec"])
        for each in objects
        if each["kind"] in KINDS_OF_PODS
    ]


@pytest.fixture(scope="module")
def schema(tmp_path_factory, built, secured) -> Path:
    """The folder of the schemas of all kinds."""
    folder = tmp_path_factory.mktemp("schemas")
    schemas.write(folder, {(each["apiVersion"], each["kind"]) for each in (*parsed(built), *parsed(secured))})
    return folder


def checked(manifests, schema) -> subprocess.CompletedProcess[str]:
    location = f"{schema}/{{{{.ResourceKind}}}}-{{{{.ResourceAPIVersion}}}}.json"
    command = [schemas.kubeconform() / "kubeconform", "-strict", "-summary", "-schema-location", location, "-"]
    return subprocess.run(command, input=manifests, capture_output=True, text=True, check=False)


@pytest.mark.built
def test_every_object_is_valid_by_the_official_schemas(built, objects, schema):
    done = checked(built, schema)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Valid: {len(objects)}, Invalid: 0, Errors: 0, Skipped: 0" in done.stdout


@pytest.mark.built
def test_tls_and_a_token_are_valid_too(secured, schema):
    objects = parsed(secured)
    done = checked(secured, schema)
    assert done.returncode == 0, done.stdout + done.stderr
    for _, pod in pods(objects):
        container = pod["containers"][0]
        volumes = {volume["name"] for volume in pod["volumes"]} | {"data"}
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


@pytest.mark.built
@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("internalTrafficPolicy: Local", "internalTrafficPolicies: Local", "internalTrafficPolicies"),
        ("replicas: 3", "replicas: three", "/spec/replicas"),
        ("honorLabels: true", "honourLabels: true", "honourLabels"),
        ("alert: HighErrorRate\n", "alerts: HighErrorRate\n", "alerts"),
        ("retention: 45d", "retention: month", "/spec/retention"),
    ],
)
def test_the_schemas_see_what_is_wrong(built, schema, written, instead, said):
    assert written in built
    done = checked(built.replace(written, instead, 1), schema)
    assert done.returncode == 1
    assert said in done.stdout


@pytest.mark.built
def test_no_container_may_more_than_it_needs(objects):
    (namespace,) = (each for each in objects if each["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert len(pods(objects)) == 3
    for _, pod in pods(objects):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert not any("hostPath" in volume for volume in pod.get("volumes", ()))
        for container in pod["containers"]:
            assert container["securityContext"] == LEAST
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]
            assert {"readinessProbe", "livenessProbe"} <= container.keys()


def manifests() -> list[dict]:
    """Return the objects of all files that are applied to a cluster, before kustomize changes them."""
    files = [path for path in FOLDER.rglob("*.yaml") if path.name != "kustomization.yaml"]
    return [each for path in files for each in yaml.safe_load_all(path.read_text()) if each]


def specs_of_pods(value) -> list[dict]:
    """Return every pod spec within an object, whatever kind contains it."""
    if isinstance(value, list):
        return [spec for each in value for spec in specs_of_pods(each)]
    if not isinstance(value, dict):
        return []
    own = [value] if {"containers", "initContainers"} & value.keys() else []
    return own + [spec for each in value.values() for spec in specs_of_pods(each)]


def test_no_pod_gets_variables_from_services_of_its_namespace():
    """A service called wxiai-bridge would set WXIAI_BRIDGE_PORT."""
    found = [spec for each in manifests() for spec in specs_of_pods(each)]
    # The operator makes the pods of these.
    found += [each["spec"] for each in manifests() if each["kind"] in {"Prometheus", "Alertmanager"}]
    assert len(found) >= 5
    assert [spec for spec in found if spec.get("enableServiceLinks") is not False] == []


@pytest.mark.built
def test_images_are_of_the_native_stacks_versions(objects):
    images = {name: pod["containers"][0]["image"] for name, pod in pods(objects)}
    collector = f"otel/opentelemetry-collector-contrib:{PROGRAMS['otelcol'].version}"
    assert images["agent"] == images["gateway"] == collector
    for kind, program in (("Prometheus", "prometheus"), ("Alertmanager", "alertmanager")):
        spec = one(objects, kind, "wxiai")["spec"]
        assert spec["version"] == f"v{PROGRAMS[program].version}"
        assert spec["image"] == f"prom/{program}:{spec['version']}"


@pytest.mark.built
@pytest.mark.parametrize("which", ["built", "secured"])
@pytest.mark.parametrize(("kind", "name"), [("DaemonSet", "agent"), ("StatefulSet", "gateway")])
def test_the_collector_reads_what_its_pod_is_given(request, which, kind, name, tmp_path):
    objects = parsed(request.getfixturevalue(which))
    pod = one(objects, kind, name)["spec"]["template"]["spec"]
    (volume,) = (volume for volume in pod["volumes"] if volume["name"] == "config")
    for source in volume["projected"]["sources"]:
        for file, content in one(objects, "ConfigMap", source["configMap"]["name"])["data"].items():
            (tmp_path / file).write_text(content)
    (container,) = pod["containers"]
    arguments = [argument.replace("/etc/otelcol/", f"{tmp_path}/") for argument in container["args"]]
    environ = {variable["name"]: variable["value"] for variable in container["env"]}
    command = [find("otelcol"), "validate", *arguments]
    done = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert any("secure" in argument for argument in arguments) == (which == "secured")
    layers = "".join((tmp_path / file.rpartition("/")[2]).read_text() for file in container["args"])
    assert {variable for variable in environ if f"${{env:{variable}" not in layers} == set()


@pytest.mark.built
def test_configuration_is_the_files_that_compose_has(objects):
    data = {
        **one(objects, "ConfigMap", "collector-contract")["data"],
        **one(objects, "ConfigMap", "collector-layers")["data"],
    }
    assert data == {name: (ROOT / "collector" / name).read_text() for name in data}
    secret = one(objects, "Secret", "alertmanager-config")["data"]["alertmanager.yaml"]
    assert base64.b64decode(secret).decode() == (ROOT / "alerts" / "alertmanager.yml").read_text()
    assert one(objects, "Alertmanager", "wxiai")["spec"]["configSecret"] == "alertmanager-config"
    for uid in UIDS:
        dashboard = one(objects, "ConfigMap", f"dashboard-{uid}")
        assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert dashboard["data"] == {f"{uid}.json": (ROOT / "dashboards" / "json" / f"{uid}.json").read_text()}


@pytest.mark.built
def test_prometheus_finds_all_rules_and_monitors_and_scrapes_the_jobs_that_rules_know(objects):
    prometheus = one(objects, "Prometheus", "wxiai")["spec"]
    for kind, selector in (("PrometheusRule", "ruleSelector"), ("ServiceMonitor", "serviceMonitorSelector")):
        for each in objects:
            if each["kind"] == kind:
                assert prometheus[selector]["matchLabels"].items() <= each["metadata"]["labels"].items()
    config = yaml.safe_load((ROOT / "prometheus.yml").read_text())
    assert prometheus["scrapeInterval"] == config["global"]["scrape_interval"]
    assert prometheus["evaluationInterval"] == config["global"]["evaluation_interval"]
    endpoints = [
        endpoint for each in objects if each["kind"] == "ServiceMonitor" for endpoint in each["spec"]["endpoints"]
    ]
    jobs = {endpoint["relabelings"][0]["replacement"] for endpoint in endpoints}
    # Jaeger is where you have it.
    assert jobs == {job["job_name"] for job in config["scrape_configs"]} - {"jaeger"} | {"gateways"}
    # endpoint and service are labels of the contract.
    assert all(endpoint["relabelings"][-1]["action"] == "labeldrop" for endpoint in endpoints)


@pytest.mark.built
def test_every_name_is_of_something_that_is_there(objects):
    names = {(each["kind"], each["metadata"]["name"]) for each in objects}
    for name, pod in pods(objects):
        ports = {port["name"] for port in pod["containers"][0]["ports"]}
        service = one(objects, "Service", name)["spec"]
        assert {port["targetPort"] for port in service["ports"]} <= ports
        policy = one(objects, "NetworkPolicy", name)["spec"]
        assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} <= ports
        monitor = one(objects, "ServiceMonitor", name)["spec"]
        assert {endpoint["port"] for endpoint in monitor["endpoints"]} <= {port["name"] for port in service["ports"]}
        for selector in (service["selector"], policy["podSelector"]["matchLabels"], monitor["selector"]["matchLabels"]):
            assert selector == {"app.kubernetes.io/name": name}
        for volume in pod["volumes"]:
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in names
    assert one(objects, "Service", "gateway")["spec"]["clusterIP"] == "None"
    assert ("PodDisruptionBudget", "gateway") in names
    assert ("HorizontalPodAutoscaler", "gateway") not in names
