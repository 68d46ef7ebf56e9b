"""schema_test.py PLUGBAY SOURCE: a stock validator of JSON Schema says of machine files what `plugbay check` says.

Each file of configs/ is good. Each of them with one mistake is refused by both, the validator naming the place.
"""

import copy
import glob
import json
import os
import subprocess
import sys
import tempfile

import machine_schema

BASE = {
    "name": "base",
    "memory": "64M",
    "cpus": 1,
    "boot": {"kernel": "image", "protocol": "flat"},
    "devices": [
        {"type": "serial-16550", "id": "com1", "port": "0x3f8", "irq": 4},
        {"type": "char-ring", "id": "ring", "size": "64K", "frontend": {"id": "com1"}},
        {"type": "pci-host", "id": "pci"},
        {"type": "virtio-blk", "id": "vda", "queues": 1},
        {"type": "disk-ram", "id": "disk", "size": "1M", "frontend": {"id": "vda"}},
        {"type": "pvpanic", "id": "panic", "on_panic": "exit"},
    ],
}

# What is made of BASE, and the place that the validator names.
BROKEN = {
    "unknown key": (lambda m: m.update(memroy="64M"), "$"),
    "unknown key of boot": (lambda m: m["boot"].update(kernal="image"), "$.boot"),
    "no boot": (lambda m: m.pop("boot"), "$"),
    "no kernel": (lambda m: m["boot"].pop("kernel"), "$.boot"),
    "no such protocol": (lambda m: m["boot"].update(protocol="grub"), "$.boot.protocol"),
    "size in a wrong unit": (lambda m: m.update(memory="64MB"), "$.memory"),
    "number out of range": (lambda m: m.update(cpus=99), "$.cpus"),
    "fraction": (lambda m: m.update(cpus=1.5), "$.cpus"),
    "number for a text": (lambda m: m.update(name=12), "$.name"),
    "object for a list": (lambda m: m.update(devices={}), "$.devices"),
    "no type": (lambda m: m["devices"][0].pop("type"), "$.devices[0]"),
    "no id": (lambda m: m["devices"][0].pop("id"), "$.devices[0]"),
    "bad id": (lambda m: m["devices"][0].update(id="com 1"), "$.devices[0].id"),
    "unknown type": (lambda m: m["devices"][0].update(type="serial-16450"), "$.devices[0].type"),
    "unknown property": (lambda m: m["devices"][0].update(ports=1), "$.devices[0]"),
    "property out of range": (lambda m: m["devices"][0].update(irq=99), "$.devices[0].irq"),
    "digits with a mistake": (lambda m: m["devices"][0].update(port="0x3g8"), "$.devices[0].port"),
    "frontend without an id": (lambda m: m["devices"][1]["frontend"].pop("id"), "$.devices[1].frontend"),
    "no frontend": (lambda m: m["devices"][1].pop("frontend"), "$.devices[1]"),
    "frontend of a frontend": (lambda m: m["devices"][0].update(frontend={"id": "ring"}), "$.devices[0]"),
    "choice that is none": (lambda m: m["devices"][5].update(on_panic="explode"), "$.devices[5].on_panic"),
    "text for a boolean": (
        lambda m: m["devices"].append({"type": "disk-file", "id": "d", "path": "x", "read_only": "yes",
                                       "frontend": {"id": "vdb"}}),
        "$.devices[6].read_only",
    ),
    "required property": (
        lambda m: m["devices"].append({"type": "disk-file", "id": "d", "frontend": {"id": "vdb"}}),
        "$.devices[6]",
    ),
}


def check(plugbay, folder, machine):
    path = os.path.join(folder, "machine.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(machine, file)
    return subprocess.run([plugbay, "check", path], capture_output=True, text=True, check=False)


def main(plugbay, source):
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "image"), "wb"):
            pass
        path = os.path.join(folder, "schema.json")
        with open(path, "w", encoding="utf-8") as file:
            subprocess.run([plugbay, "schema"], stdout=file, check=True)
        validator = machine_schema.read_schema(path)

        configs = sorted(glob.glob(os.path.join(source, "configs", "*.json")))
        if len(configs) < 3:
            failures.append(f"only {len(configs)} files were found in configs/")
        for config in configs:
            failures += [f"{config} is good, but: {mistake}"
                         for mistake in machine_schema.mistakes(validator, machine_schema.read_machine(config))]

        said = check(plugbay, folder, BASE)
        if said.returncode != 0:
            failures.append(f"the base is good, but plugbay says: {said.stderr}")
        failures += [f"the base is good, but: {mistake}" for mistake in machine_schema.mistakes(validator, BASE)]
        for name, (change, place) in BROKEN.items():
            machine = copy.deepcopy(BASE)
            change(machine)
            found = machine_schema.mistakes(validator, machine)
            if not any(mistake.startswith(place + ": ") for mistake in found):
                failures.append(f"{name}: wanted a mistake at {place}, but the validator says: {found}")
            if check(plugbay, folder, machine).returncode != 2:
                failures.append(f"{name}: plugbay check takes it")
    for failure in failures:
        print(failure)
    print(f"{len(configs)} configs, {len(BROKEN)} broken machines, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
