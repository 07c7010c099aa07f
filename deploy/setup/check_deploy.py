#!/usr/bin/env python3
"""Checks compose.yaml and the Dockerfile where no container can be run: what they name exists, and versions agree with deploy/setup."""

import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
complaints: list[str] = []


def expect(holds: bool, complaint: str) -> None:
    """Notes a complaint unless what is expected holds."""
    if not holds:
        complaints.append(complaint)


def read(name: str) -> str:
    """A file of the checkout."""
    return (ROOT / name).read_text(encoding="utf-8")


def check_compose() -> None:
    """Each service: a pinned image, a health check or an end, known neighbours and volumes, ports on loopback only."""
    compose = yaml.safe_load(read("deploy/compose.yaml"))
    services = compose["services"]
    for name, service in services.items():
        built = "build" in service
        expect(built or re.search(r":\d+\.\d+", service["image"]) is not None, f"compose.yaml: {name}: image {service['image']} has no version")
        if built:
            dockerfile = ROOT / "deploy" / service["build"]["context"] / service["build"]["dockerfile"]
            expect(dockerfile.is_file(), f"compose.yaml: {name}: there is no {service['build']['dockerfile']}")
            expect(service.get("cap_drop") == ["ALL"] and service.get("read_only") is True, f"compose.yaml: {name} may do more than it must")
        neighbours = service.get("depends_on", {})
        for neighbour, terms in neighbours.items():
            expect(neighbour in services, f"compose.yaml: {name} depends on {neighbour}, which is not there")
            if neighbour not in services:
                continue
            other = services[neighbour]
            if terms["condition"] == "service_healthy":
                expect("healthcheck" in other, f"compose.yaml: {name} waits for the health of {neighbour}, which has no check")
            else:
                expect(other.get("restart") == "on-failure", f"compose.yaml: {name} waits for the end of {neighbour}, which restarts for ever")
        for volume in service.get("volumes", []):
            expect(volume.split(":")[0] in compose["volumes"], f"compose.yaml: {name}: volume {volume} is not declared")
        for port in service.get("ports", []):
            expect(port.startswith("127.0.0.1:"), f"compose.yaml: {name}: port {port} is open to everyone")
    for server in ("kafka", "elasticsearch"):
        version = re.search(r"^version=(?:\"\$\{\w+:-)?([\d.]+)", read(f"deploy/setup/{server}.sh"), re.M)[1]
        expect(services[server]["image"].endswith(f":{version}"), f"compose.yaml: {server} is another version than the tests' {version}")


def check_dockerfile() -> None:
    """Stages and sources exist, the end is not root, versions agree."""
    text = re.sub(r"\\\n", " ", read("deploy/Dockerfile"))
    stages: list[str] = []
    user = ""
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "FROM":
            expect(":" in words[1] and not words[1].endswith(":latest"), f"Dockerfile: {words[1]} has no version")
            stages.append(words[3] if len(words) > 3 else "")
            user = ""
        elif words[0] == "USER":
            user = words[1]
        elif words[0] == "COPY":
            stage = next((word.split("=", 1)[1] for word in words if word.startswith("--from=")), None)
            if stage is not None:
                expect(stage in stages, f"Dockerfile: no stage {stage}")
                continue
            for source in words[1:-1]:
                expect((ROOT / source).exists(), f"Dockerfile: there is no {source} to copy")
                expect(f"!{source.split('/')[0]}" in read(".dockerignore").splitlines(), f"Dockerfile: {source} is kept out by .dockerignore")
    expect(user not in ("", "root", "0"), "Dockerfile: the program would run as root")
    for member in re.search(r"members = \[(.*?)\]", read("Cargo.toml"), re.S)[1].replace('"', "").split(","):
        expect(f"COPY {member.strip()} " in text, f"Dockerfile: the crate {member.strip()} is not copied")
    for script in ("deploy/setup/torch.sh", "deploy/setup/native.sh"):
        for package in re.search(r"packages=\((.*?)\)", read(script))[1].split():
            expect(package in text, f"Dockerfile: {package} of {script} is not what it installs")
    rust = re.search(r'rust-version = "([\d.]+)"', read("Cargo.toml"))[1]
    expect(f"FROM rust:{rust}-" in text, f"Dockerfile: Rust is not {rust}, the version that Cargo.toml names")


check_compose()
check_dockerfile()
for complaint in complaints:
    print(complaint)
sys.exit(1 if complaints else 0)
