"""What is deployed, held against what will read it. No container engine runs here: see docs/deploy.md."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from engine import cli
from engine.shells.trials import run_tests
from engine.shells.wiring import check_configuration, load_configuration, plugins
from tests.deploy.shipped import COMPOSE, IMAGE, ROOT, UNIT, commands, compose, instructions, objects, pods, unit

COMMANDS = get_command(cli.app).commands  # type: ignore[attr-defined]
OURS = [name for name, service in compose()["services"].items() if service["image"] == IMAGE]
DOCKER = instructions()

# ---- the commands in all of them


@pytest.mark.parametrize("where", commands())
def test_a_command_exists_with_all_its_options(where: str) -> None:
    name, *words = commands()[where]
    known = {option: each for each in COMMANDS[name].params for option in each.opts}
    while words:
        option = words.pop(0)
        assert option in known, f"beforehand {name} has no {option}"
        if not known[option].is_flag:
            assert words, f"{option} has no value"
            assert not words.pop(0).startswith("--")


def test_the_worker_is_started_in_the_same_way_everywhere() -> None:
    started = {where: words for where, words in commands().items() if words[0] == "worker"}
    assert len(started) == 4
    assert {tuple(word.replace("127.0.0.1", "0.0.0.0") for word in words) for words in started.values()} == {  # noqa: S104
        tuple(commands()["Dockerfile"])
    }


# ---- Dockerfile


def test_the_image_runs_as_nobody_in_particular() -> None:
    words = [word for word, _ in DOCKER]
    assert dict(DOCKER)["USER"] == "10001:10001"
    assert "RUN" not in words[words.index("USER") :]


def test_every_base_image_has_a_version_and_what_is_installed_was_checked() -> None:
    bases = [rest.partition(" ")[0] for word, rest in DOCKER if word == "FROM"]
    assert bases
    assert all(re.fullmatch(r"python:3\.\d+-[a-z-]+", base) for base in bases)
    installs = [part for word, rest in DOCKER if word == "RUN" for part in rest.split("&&") if "pip" in part]
    assert len(installs) == 3
    assert all(re.search("--require-hashes|--no-deps|--no-index", part) for part in installs)


def test_only_the_last_stage_is_shipped_and_holds_no_tools_for_building() -> None:
    last = DOCKER[max(nth for nth, (word, _) in enumerate(DOCKER) if word == "FROM") :]
    assert not [rest for word, rest in last if "pip" in rest]
    assert [rest for word, rest in last if word == "COPY"] == ["--from=build /opt/beforehand /opt/beforehand"]


def test_everything_that_is_copied_is_there_and_let_through() -> None:
    ignore = (ROOT / ".dockerignore").read_text().split()
    copied = [rest.split()[:-1] for word, rest in DOCKER if word == "COPY" and not rest.startswith("--from")]
    for name in (name for names in copied for name in names):
        assert (ROOT / name).exists()
        assert f"!{name}" in ignore


def test_the_wheel_finds_all_it_is_made_of() -> None:
    """Whatever pyproject.toml takes into the wheel is copied to where it is built."""
    copied = {name for word, rest in DOCKER if word == "COPY" for name in rest.split()[:-1]}
    assert {"engine", "detectors", "sinks", "config", "pyproject.toml", "README.md", "LICENSE"} <= copied


def test_the_health_check_asks_the_page_that_is_served() -> None:
    check = dict(DOCKER)["HEALTHCHECK"]
    assert f"http://127.0.0.1:{port_of(commands()['Dockerfile'])}/livez" in check
    [program, dash_c, code] = json.loads(check[check.index("[") :])
    assert (program, dash_c) == ("python", "-c")
    compile(code, "HEALTHCHECK", "exec")


def port_of(words: list[str]) -> str:
    return words[words.index("--metrics-port") + 1]


def test_the_port_is_the_same_everywhere() -> None:
    port = port_of(commands()["Dockerfile"])
    assert dict(DOCKER)["EXPOSE"] == port
    scraped = YAML(typ="safe").load(ROOT / "deploy" / "prometheus" / "prometheus.yml")["scrape_configs"][0]
    assert [str(config["port"]) for config in scraped["dns_sd_configs"]] == [port]
    assert [config["names"] for config in scraped["dns_sd_configs"]] == [["worker"]]
    assert "worker" in compose()["services"]
    for _name, pod in pods():
        for each in pod["containers"][0].get("ports", []):
            assert str(each["containerPort"]) == port


# ---- compose


def compose_specification() -> Any:
    """As it comes with check-jsonschema."""
    [found] = [path for path in files("check-jsonschema") or [] if path.name == "compose-spec.json"]
    return json.loads(found.read_text())


def test_the_compose_file_is_what_the_compose_specification_asks_for() -> None:
    jsonschema.validate(compose(), compose_specification())


def test_a_misspelt_key_would_be_found() -> None:
    wrong = compose()
    wrong["services"]["worker"]["comand"] = []
    with pytest.raises(jsonschema.ValidationError, match="comand"):
        jsonschema.validate(wrong, compose_specification())


def test_services_wait_for_services_and_conditions_that_exist() -> None:
    services = compose()["services"]
    for service in services.values():
        waits = service.get("depends_on", {})
        for name in waits:
            assert name in services
            condition = waits[name]["condition"] if isinstance(waits, dict) else ""
            assert condition != "service_healthy" or "test" in services[name]["healthcheck"]
            assert condition != "service_completed_successfully" or services[name]["restart"] != "always"


def test_every_mount_is_a_file_of_ours_or_a_named_volume() -> None:
    named = compose()["volumes"].keys()
    for service in compose()["services"].values():
        for mount in service.get("volumes", []):
            source, _, target = mount.partition(":")
            if source.startswith("./"):
                assert (ROOT / source).exists()
                assert target.endswith(":ro")
            else:
                assert source in named or not target


def test_nothing_listens_outside_the_machine_and_images_have_versions() -> None:
    for service in compose()["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"])


@pytest.mark.parametrize("name", OURS)
def test_what_is_ours_can_write_only_its_state_and_has_no_rights(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_workers_share_no_state_folder() -> None:
    assert "/var/lib/beforehand" in compose()["services"]["worker"]["volumes"]


def test_our_services_know_where_kafka_listens() -> None:
    kafka = compose()["services"]["kafka"]["environment"]
    addresses = dict(each.split("://") for each in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    for name in OURS:
        assert compose()["services"][name]["environment"]["KAFKA_BOOTSTRAP_SERVERS"] == addresses["PLAINTEXT"]
    listens = dict(each.split("://") for each in kafka["KAFKA_LISTENERS"].split(","))
    assert {name: address.rpartition(":")[2] for name, address in listens.items()}.items() >= {
        name: address.rpartition(":")[2] for name, address in addresses.items()
    }.items()


# ---- systemd


def test_systemd_finds_nothing_to_say_about_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze, which comes with systemd, is not on this machine")
    here = Path(sys.executable).with_name("beforehand")
    installed = tmp_path / UNIT.name
    installed.write_text(UNIT.read_text().replace("/opt/beforehand/bin/beforehand", str(here)))
    done = subprocess.run([analyze, "verify", str(installed)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_unit_starts_it_again_and_gives_it_time_to_stop() -> None:
    settings = unit()
    assert settings["Restart"] == ["always"]
    assert settings["Type"] == ["exec"]
    assert int(settings["TimeoutStopSec"][0]) > 10
    assert settings["StartLimitIntervalSec"] == ["0"]


def test_the_unit_runs_without_rights_in_folders_that_systemd_makes() -> None:
    settings = unit()
    assert settings["DynamicUser"] == ["yes"]
    assert settings["CapabilityBoundingSet"] == [""]
    assert settings["ProtectSystem"] == ["strict"]
    words = commands()["systemd"]
    assert words[words.index("--state") + 1] == f"/var/lib/{settings['StateDirectory'][0]}"
    assert words[words.index("--config") + 1] == f"/etc/{settings['ConfigurationDirectory'][0]}"


# ---- Kubernetes


@pytest.mark.parametrize("each", list(objects()), ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
@pytest.mark.parametrize("version", ["1.31", "1.37"])
def test_a_manifest_is_what_kubernetes_asks_for(each: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(each, version, strict=True)


def test_a_misspelt_field_of_a_manifest_would_be_found() -> None:
    wrong = next(each for each in objects() if each["kind"] == "StatefulSet")
    wrong["spec"]["template"]["spec"]["containers"][0]["livenessprobe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="livenessprobe"):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


@pytest.mark.parametrize(("name", "pod"), list(pods()), ids=lambda each: each if isinstance(each, str) else "")
def test_a_pod_has_no_more_rights_than_it_needs(name: str, pod: dict[str, Any]) -> None:
    context, own = pod["securityContext"], pod["containers"][0]["securityContext"]
    assert context["runAsNonRoot"]
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == dict(DOCKER)["USER"]
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not pod["automountServiceAccountToken"]
    assert {"requests", "limits"} <= pod["containers"][0]["resources"].keys()


def test_probes_ask_pages_that_are_served() -> None:
    [worker] = [pod["containers"][0] for name, pod in pods() if name.startswith("StatefulSet")]
    paths = {probe: worker[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    assert {worker[probe]["httpGet"]["port"] for probe in paths} == {worker["ports"][0]["name"]}


def test_names_and_labels_fit_together() -> None:
    by_kind = {each["kind"]: each for each in objects()}
    stateful, service, budget = by_kind["StatefulSet"], by_kind["Service"], by_kind["PodDisruptionBudget"]
    labels = stateful["spec"]["template"]["metadata"]["labels"]
    assert stateful["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["selector"] == budget["spec"]["selector"]["matchLabels"] == labels
    assert stateful["spec"]["serviceName"] == service["metadata"]["name"]
    # Those of the other pods must not fit, or the service would send to them.
    assert by_kind["Job"]["spec"]["template"]["metadata"]["labels"].items().isdisjoint(labels.items())
    for _name, pod in pods():
        mounted = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        claimed = {claim["metadata"]["name"] for claim in stateful["spec"]["volumeClaimTemplates"]}
        assert mounted <= {volume["name"] for volume in pod["volumes"]} | claimed


def as_mounted(folder: Path, generation: str) -> Path:
    """The ConfigMap as the kubelet lays it out: everything behind one link, which it turns round at a change."""
    data = next(each["data"] for each in objects() if each["kind"] == "ConfigMap")
    [pod] = [pod for name, pod in pods() if name.startswith("StatefulSet")]
    [items] = [volume["configMap"]["items"] for volume in pod["volumes"] if "configMap" in volume]
    assert {item["key"] for item in items} == data.keys()
    for item in items:
        path = folder / generation / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data[item["key"]])
        top = item["path"].partition("/")[0]
        if not (folder / top).is_symlink():
            (folder / top).symlink_to(f"..data/{top}")
    turned = folder / "..data_tmp"
    turned.symlink_to(generation)
    turned.replace(folder / "..data")
    return folder


def test_the_configuration_in_the_manifest_is_sound_and_passes_its_own_tests(tmp_path: Path) -> None:
    configuration, problems = check_configuration(as_mounted(tmp_path, "..2026_03_02"))
    assert not problems
    assert configuration is not None
    assert [trial.failures for trial in run_tests(configuration, plugins())] == [()]


def test_a_changed_config_map_is_noticed_through_its_links(tmp_path: Path) -> None:
    before = load_configuration(as_mounted(tmp_path, "..2026_03_02")).version
    assert load_configuration(as_mounted(tmp_path, "..2026_03_03")).version == before
    changed = tmp_path / "..2026_03_03" / "detectors" / "detectors.yml"
    changed.write_text(changed.read_text().replace("within: 14d", "within: 13d"))
    assert load_configuration(tmp_path).version != before


def test_the_files_name_each_other_as_they_are_called() -> None:
    assert COMPOSE.name == "docker-compose.yml"
    assert f"image: {IMAGE}" in COMPOSE.read_text()
    assert {pod["containers"][0]["image"] for _, pod in pods()} == {IMAGE}
