#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""ptirqctl scan, doctor, bind and unbind, on machines that are directories: no root, no hardware."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from ptirq_test import BUILD, Broker, main, test  # noqa: E402
from fake_machine import Machine  # noqa: E402

CTL = os.path.join(BUILD, "ctl", "ptirqctl")
PROGRAM = os.path.join(BUILD, "broker", "ptirq-broker")
FINE, NO, USAGE, NO_BROKER = range(4)
A, B, C = "0000:02:05.0", "0000:02:09.0", "0000:02:0d.0"


def run(machine, *args, status=FINE, socket=None, path=None):
    env = {**os.environ, "PTIRQ_SOCKET": socket or machine.path("no.sock")}
    if path:
        env["PATH"] = f"{path}:{env['PATH']}"
    done = subprocess.run([CTL, "--root", machine.root, *args], env=env, text=True, timeout=30,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == status, f"{args}: {done.returncode}: {done.stderr}{done.stdout}"
    return done.stdout if status == FINE else done.stderr + done.stdout


def run_json(machine, verb, *args, **options):
    document = json.loads(run(machine, "--json", verb, *args, **options))
    assert document["schema"] == f"ptirq.{verb}.v1", document
    return document


def scan(machine):
    document = run_json(machine, "scan")
    for key in ("interrupts", "devices"):
        document[key] = {row["name"]: row for row in document[key]}
    return document


def doctor(machine, *args, status=NO, **options):
    """The findings by their code."""
    document = run_json(machine, "doctor", *args, status=status, **options)
    assert document["well"] is (status == FINE), document
    assert document["well"] is not any(f["problem"] for f in document["findings"]), document
    return {finding["code"]: finding for finding in document["findings"]}


def says(machine, code, *words, address=A, status=NO):
    """Doctor's finding @code about the device has these words, and people are told the same."""
    finding = doctor(machine, address, status=status)[code]
    for word in words:
        assert word in finding["text"], (word, finding)
    text = run(machine, "doctor", address, status=status)
    assert finding["text"] in text and ("all is well" in text) == (status == FINE), text


# ------------------------------------------------------------------------------------------ scan


@test
def scan_a_shared_line(_):
    with Machine() as m:
        nic = m.pci(A, 0x8086, 0x100e, 0x020000, irq=22, driver="e1000", asserts=True)
        m.net(nic, "eth0", up=True)
        m.pci(B, irq=22, driver="ptirq_uio", line="line0", uio="uio0", group="3", disintx=True)
        m.pci(C, irq=22, driver="uio_pci_generic", uio="uio1")
        m.irq(22, "eth0,ptirq-line0,uio_pci_generic", count=12, unhandled=3)
        document = scan(m)
        irq = document["interrupts"]["22"]
        assert irq["handlers"] == ["eth0", "ptirq-line0", "uio_pci_generic"], irq
        assert irq["owners"] == ["kernel", "helper", "uio"], irq
        assert irq["devices"] == [A, B, C] and irq["count"] == 12 and irq["unhandled"] == 3, irq
        assert irq["trigger"] == "level", irq
        nic, helper, uio = (document["devices"][x] for x in (A, B, C))
        assert (nic["id"], nic["kind"], nic["driver"]) == ("8086:100e", "network", "e1000"), nic
        assert nic["brokerable"] == "no" and nic["asserts"] and nic["mask"] == "unknown", nic
        assert helper["brokerable"] == "ready" and helper["line"] == "line0", helper
        assert helper["iommu_group"] == "3" and helper["masked"] and helper["mask"] == "yes", helper
        assert uio["brokerable"] == "ready" and uio["owner"] == "uio" and uio["mask"] == "yes", uio
        sections = document["configuration"].split("[line ")
        assert len(sections) == 3 and "shared with the kernel's eth0" in sections[0], sections
        assert "source = helper" in sections[1] and f"device = {B}" in sections[1], sections
        assert "source = uio" in sections[2] and f"device = {C}" in sections[2], sections
        assert A not in document["configuration"]
        text = run(m, "scan")
        assert "eth0,ptirq-line0,uio_pci_generic" in text and "[line intx-" in text, text


@test
def scan_what_a_device_can_do(_):
    with Machine() as m:
        m.pci("0000:00:00.0", kind=0x060000, pin=0)
        m.pci("0000:00:01.0", kind=0x060400, bridge=True, irq=21)
        m.pci(A, irq=11, enabled=0, msi=(8, False))
        m.pci(B, pin=0, msix=(65, True), vectors=range(40, 44), driver="nvme", kind=0x010802, irq=0)
        m.pci(C, irq=44, msi=(1, True), vectors=[44], msi_word="msi", driver="ahci", kind=0x010601)
        m.irq(44, "ahci0", trigger="edge", chip="PCI-MSI")
        m.irq(41, "nvme0q1", trigger="edge", chip="PCI-MSIX")
        document = scan(m)
        devices = document["devices"]
        assert devices["0000:00:00.0"]["why"] == devices["0000:00:01.0"]["why"] == "is a bridge"
        free, nvme, ahci = devices[A], devices[B], devices[C]
        assert free["brokerable"] == "bind" and free["irq"] == 11 and not free["irq_settled"], free
        assert free["msi"] == "yes" and free["msi_vectors"] == 8 and not free["msi_on"], free
        assert free["msix"] == "no" and free["pin"] == "A", free
        assert nvme["msix_vectors"] == 65 and nvme["msix_on"] and nvme["pin"] == "", nvme
        # sysfs irq is the vector's, and what INTx would be is not told
        assert ahci["msi_on"] and ahci["irq"] == 0 and not ahci["irq_settled"], ahci
        assert document["interrupts"]["41"]["devices"] == [B]
        assert document["interrupts"]["44"]["devices"] == [C]
        assert f"ptirqctl bind {A}" in document["configuration"]


@test
def scan_as_a_user(_):
    """Who is not root is shown 64 bytes of config space, and no capability."""
    with Machine() as m:
        m.pci(A, msi=(8, False), size=64, irq=11, enabled=0)
        m.pci(B, size=64, msix=(3, True), vectors=[30], driver="xhci_hcd", irq=23)
        m.irq(30, "xhci_hcd", trigger="edge")
        m.irq(23, "other")
        devices = scan(m)["devices"]
        assert devices[A]["msi"] == devices[A]["msix"] == "unknown", devices[A]
        assert devices[A]["pin"] == "A" and devices[A]["brokerable"] == "bind", devices[A]
        assert devices[B]["msix"] == "yes" and devices[B]["msix_on"], devices[B]
        assert scan(m)["interrupts"]["23"]["devices"] == []


@test
def scan_platform_devices(_):
    with Machine() as m:
        real = "sys/devices/platform/fpga.0"
        m.write(f"{real}/driver_override", "ptirq_uio\n")
        m.write("sys/bus/platform/drivers/ptirq_uio/unbind", "")
        m.link(f"{real}/driver", "sys/bus/platform/drivers/ptirq_uio")
        m.link("sys/bus/platform/devices/fpga.0", real)
        m.write("sys/devices/virtual/ptirq/ptirq!line4/uevent", "")
        m.link(f"{real}/ptirq_line", "sys/devices/virtual/ptirq/ptirq!line4")
        m.write("sys/devices/platform/serial8250/uevent", "")
        m.link("sys/bus/platform/devices/serial8250", "sys/devices/platform/serial8250")
        m.irq(17, "ptirq-line4")
        document = scan(m)
        assert list(document["devices"]) == ["fpga.0"], document
        assert document["devices"]["fpga.0"]["irq"] == 17, document
        assert document["interrupts"]["17"]["devices"] == ["fpga.0"], document
        assert "device = fpga.0" in document["configuration"], document


@test
def the_configuration_is_one(_):
    with Machine() as m:
        m.pci(A, irq=22, driver="uio_pci_generic", uio="uio0")
        m.pci(B, irq=22, driver="uio_pci_generic", uio="uio1")
        m.pci(C, irq=23, driver="uio_pci_generic", uio="uio2")
        m.irq(22, "uio_pci_generic,uio_pci_generic")
        m.irq(23, "uio_pci_generic")
        m.pci("0000:03:01.0", irq=24, driver="ptirq_uio", line="line0")
        m.pci("0000:03:02.0", irq=24, driver="ptirq_uio", line="line0")
        m.pci("0000:03:03.0")
        path = m.path("ptirq.conf")
        m.write("ptirq.conf", scan(m)["configuration"])
        done = subprocess.run([PROGRAM, "--check-config", path], text=True, capture_output=True)
        # What is not bound yet is in it as a comment.
        assert done.stdout == "3 lines, nothing wrong\n", (done, m.read("ptirq.conf"))
        assert "\n# device = 0000:03:03.0\n" in m.read("ptirq.conf")


@test
def nothing_at_all(_):
    with Machine() as m:
        document = scan(m)
        assert document["interrupts"] == document["devices"] == {}, document
        assert document["configuration"] == "", document
        findings = doctor(m, status=FINE)
        assert list(findings) == ["no-broker"] and not findings["no-broker"]["problem"], findings
        assert "all is well" in run(m, "doctor")


# ---------------------------------------------------------------------------------------- doctor


@test
def doctor_of_what_is_not_bound(_):
    with Machine() as m:
        m.pci(A, irq=11)
        says(m, "no-driver", f"ptirqctl bind {A}")
        says(m, "not-there", "lspci", address="0000:07:00.0")
        assert doctor(m, "07:00.0")["not-there"]["name"] == "0000:07:00.0"
        m.pci(B, irq=11, override="ptirq_uio")
        says(m, "not-loaded", "modprobe ptirq_uio", address=B)
        m.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
        says(m, "not-loaded", "signed", address=B)
        m.pci_driver("ptirq_uio")
        says(m, "refused", "dmesg", address=B)
        m.kernel_log("something", f"ptirq_uio {B}: cannot mask its own INTx")
        says(m, "refused", "it cannot mask its own INTx", address=B)
        m.pci(C, vendor=0xffff, device=0xffff, pin=0)
        says(m, "no-answer", "powered", address=C)


@test
def doctor_of_what_cannot(_):
    with Machine() as m:
        m.pci(A, pin=0, msix=(4, False))
        says(m, "no-pin", "MSI only")
        m.pci(B, pin=0)
        assert "MSI" not in doctor(m, B)["no-pin"]["text"]
        m.pci(C, kind=0x060400, bridge=True)
        says(m, "bridge", "behind", address=C)


@test
def doctor_of_another_drivers(_):
    with Machine() as m:
        nic = m.pci(A, irq=22, driver="e1000")
        m.net(nic, "eth0", up=False)
        says(m, "kernel-driver", "e1000", f"ptirqctl bind {A}")
        m.write(f"{nic}/net/eth0/flags", "0x1003\n")
        says(m, "in-use", "eth0 is up")
        m.pci(B, irq=22, driver="vfio-pci", group="7")
        says(m, "vfio", "group 7", address=B)
        m.process(612, "qemu-system-x86", "/dev/null", "/dev/vfio/7")
        says(m, "vfio", "held by qemu-system-x86 (process 612)", address=B)
        m.pci(C, irq=22, driver="forgetful", disintx=True)
        says(m, "masked", "DisINTx", address=C)


@test
def doctor_of_the_bound(_):
    with Machine() as m:
        m.pci(A, irq=22, driver="uio_pci_generic", uio="uio0")
        m.irq(22, "uio_pci_generic")
        assert doctor(m, A, status=FINE) == {}
        m.irq(22, "uio_pci_generic,eth0")
        says(m, "shared", "eth0", status=FINE)
        m.write("etc/group", f"root:x:0:\nptirq:x:{os.getgid()}:\n")
        os.chmod(m.path("dev/uio0"), 0o660)
        assert "permission" not in doctor(m, A, status=FINE)
        os.chmod(m.path("dev/uio0"), 0o600)
        says(m, "permission", "/dev/uio0", "udevadm trigger")
        os.unlink(m.path("dev/uio0"))
        says(m, "no-node", "/dev/uio0")
        m.pci(B, irq=0, driver="ptirq_uio", uio="uio1", line="line0")
        says(m, "no-interrupt", "firmware", address=B)
        m.pci(C, irq=22, driver="ptirq_uio", uio="uio2", line="line1", msi=(1, True))
        says(m, "msi-on", "INTx", address=C)


@test
def doctor_of_uio_where_it_cannot_mask(_):
    with Machine() as m:
        real = m.pci(A, irq=22, driver="uio_pci_generic", uio="uio0")
        m.irq(22, "uio_pci_generic")
        m.write("sys/class/dmi/id/sys_vendor", "QEMU\n")
        says(m, "qemu", "7.2", status=FINE)
        m.write("sys/kernel/security/lockdown", "[none] integrity confidentiality\n")
        assert "locked-down" not in doctor(m, A, status=FINE)
        m.write("sys/kernel/security/lockdown", "none integrity [confidentiality]\n")
        says(m, "locked-down", f"ptirqctl bind {A}")
        m.write(f"{real}/power_state", "D3hot\n")
        says(m, "asleep", "D3hot", "power/control")


@test
def doctor_of_interrupts_that_do_not_arrive(_):
    with Machine() as m:
        m.pci(A, irq=22, driver="uio_pci_generic", uio="uio0", asserts=True)
        m.irq(22, "uio_pci_generic")
        says(m, "unheard", "interrupt 22")
    with Machine() as m:
        m.pci(A, irq=22, driver="uio_pci_generic", uio="uio0", asserts=True, disintx=True)
        m.irq(22, "uio_pci_generic")
        assert doctor(m, A, status=FINE) == {}


@test
def doctor_of_a_line_that_is_turned_off(_):
    with Machine() as m:
        m.pci(A, irq=22, driver="uio_pci_generic", uio="uio0")
        m.pci(B, irq=22, asserts=True)
        m.irq(22, "uio_pci_generic", count=100000, recent=0, ago=5000)
        # Nobody may read the log: perhaps.
        says(m, "turned-off", "perhaps", f"{B} asserts, and has no driver")
        m.kernel_log("irq 22: nobody cared (try booting with the \"irqpoll\" option)",
                     "Disabling IRQ #22")
        says(m, "turned-off", "has turned it off", "uio_pci_generic")
        assert "turned-off" in doctor(m)
        # It is in the log and the counters say nothing of the kind, or the other way round.
        m.kernel_log("irq 122: nobody cared")
        assert doctor(m, A, status=FINE) == {}
        m.kernel_log("irq 22: nobody cared")
        for other in ({"recent": 12}, {"count": 99}, {"ago": None}):
            m.irq(22, "uio_pci_generic", **{"count": 100000, "recent": 0, "ago": 5000, **other})
            assert doctor(m, A, status=FINE) == {}, other
    with Machine() as m:  # perhaps it was bound anew: nobody is waiting for it now
        m.pci(A, irq=22, driver="uio_pci_generic", uio="uio0")
        m.irq(22, "uio_pci_generic", count=100000, recent=0, ago=5000)
        m.kernel_log("irq 22: nobody cared")
        says(m, "turned-off", "unless", status=FINE)


@test
def doctor_of_interrupts_that_are_nobodys(_):
    with Machine() as m:
        m.pci(A, irq=22, driver="uio_pci_generic", uio="uio0")
        m.irq(22, "uio_pci_generic", recent=2000, unhandled=199, ago=1)
        assert doctor(m, A, status=FINE) == {}
        m.irq(22, "uio_pci_generic", recent=2000, unhandled=1500, ago=1)
        says(m, "unhandled", "1500", "2000")
        m.irq(22, "uio_pci_generic", recent=2000, unhandled=1500, ago=100)
        assert doctor(m, A, status=FINE) == {}, "that is over"
        m.irq(22, "uio_pci_generic", recent=999, unhandled=999, ago=1)
        assert doctor(m, A, status=FINE) == {}


@test
def doctor_without_a_broker(_):
    with Machine() as m:
        m.write("etc/ptirq/ptirq.conf", "")
        assert doctor(m)["no-broker"]["problem"]
        assert "there is no broker" in run(m, "doctor", "some-line", status=NO_BROKER)
        run(m, "doctor", "a", "b", status=USAGE)


@test
def doctor_with_a_broker(broker):
    with Machine() as m, broker.client(name="silent") as silent:
        findings = doctor(m, "demo", status=FINE, socket=broker.socket)
        assert set(findings) == {"unclaimed"}, findings
        assert "no line nosuch" in run(m, "doctor", "nosuch", status=NO, socket=broker.socket)
        silent.subscribe("demo", device="dev0", messages=True)
        findings = doctor(m, "demo", status=FINE, socket=broker.socket)
        assert set(findings) == {"unclaimed"}, f"and that they are held is the same: {findings}"
        silent.sim_assert("demo", "dev0", 1)
        codes = set()
        while "quarantined" not in codes:  # its device goes on asserting, and is asked for
            document = json.loads(subprocess.run(
                [CTL, "--root", m.root, "--json", "doctor"], text=True, capture_output=True,
                env={**os.environ, "PTIRQ_SOCKET": broker.socket}).stdout)
            codes |= {f["code"] for f in document["findings"]}
        assert "debt" in codes or "held" in codes, codes
        text = run(m, "doctor", "demo", status=NO, socket=broker.socket)
        assert "silent (client" in text and "ptirqctl release" in text, text
        assert "nobody subscribes to device dev0" not in text, text


@test
def doctor_of_a_line_whose_device_is_absent(_):
    with Machine() as m:
        m.write("ptirq.conf", "[line x]\nsource = uio\ndevice = 0000:07:00.0\n")
        configured = Broker()
        configured.args = ("--config", m.path("ptirq.conf"), "--socket", configured.socket)
        with configured:
            # It has looked for the device by the time that it is ready, or soon after.
            while "broker" not in doctor(m, "x", socket=configured.socket):
                pass
            for args in ((), ("x",), ("0000:07:00.0",)):
                finding = doctor(m, *args, socket=configured.socket)["broker"]
                assert finding["name"] == "x" and "not there" in finding["text"], finding
            text = run(m, "sim", "run", "--line", "x", status=NO, socket=configured.socket)
            assert "only a software line" in text, text


# ---------------------------------------------------------------------------------- bind, unbind


def probed(m):
    return m.read("sys/bus/pci/drivers_probe")


@test
def bind_says_what_it_changes(_):
    with Machine() as m:
        m.pci(A, driver="e1000", irq=22)
        m.pci_driver("ptirq_uio")
        document = run_json(m, "bind", "--dry-run", A)
        assert document["done"] is False and document["driver"] == "e1000", document
        assert document["changes"] == ["set driver_override to ptirq_uio",
                                       "take it from its driver e1000", "give it to ptirq_uio"]
        assert "nothing was changed" in run(m, "bind", "-n", A) and probed(m) == ""
        # No kernel is behind these files: they are written, and nobody takes the device.
        assert "has not taken it" in run(m, "bind", A, status=NO)
        assert m.read("sys/bus/pci/drivers/e1000/unbind") == A
        assert len(probed(m)) > 2 * len(A), "again and again, and back to the former one"
        assert m.read(f"sys/bus/pci/devices/{A}/driver_override").endswith("ptirq_uio\n"), "cleared"
        log = f"ptirq_uio {A}: is of no use"
        m.kernel_log(log)
        assert "has not taken it" in run(m, "bind", A, status=NO), "that was before"


@test
def bind_refuses_what_is_in_use(_):
    with Machine() as m:
        m.pci_driver("ptirq_uio")
        disk = m.pci(A, driver="nvme", kind=0x010802, irq=22) + "/nvme/nvme0/nvme0n1"
        m.node(disk, "block", "259:0", "nvme0n1")
        m.node(disk + "/nvme0n1p1", "block", "259:1", "nvme0n1p1")
        assert run_json(m, "bind", "-n", A)["changes"]
        before = m.read("proc/self/mountinfo")
        m.write("proc/self/mountinfo", before + "30 22 259:1 / /srv rw - ext4 /dev/nvme0n1p1 rw\n")
        assert "nvme0n1p1 is mounted on /srv" in run(m, "bind", A, status=NO)
        assert "--force" in run(m, "bind", A, status=NO) and probed(m) == ""
        assert run_json(m, "bind", "-n", "--force", A)["changes"]
        m.write("proc/self/mountinfo", before + "30 22 0:31 / /srv rw - btrfs /dev/nvme0n1 rw\n")
        assert "nvme0n1 is mounted on /srv" in run(m, "bind", A, status=NO)
        m.write("proc/self/mountinfo", before)
        m.write("proc/swaps", "Filename Type\n/dev/nvme0n1p1 partition 1 0 -2\n")
        assert "nvme0n1p1 is swap space" in run(m, "bind", A, status=NO)
        m.write("proc/swaps", "Filename Type\n")
        m.process(77, "mkfs", "/dev/nvme0n1")
        assert "/dev/nvme0n1 is open: mkfs (process 77)" in run(m, "bind", A, status=NO)


@test
def bind_sees_what_is_built_on_a_disk(_):
    with Machine() as m:
        m.pci_driver("ptirq_uio")
        disk = m.pci(A, driver="ahci", kind=0x010601, irq=22) + "/ata1/host0/block/sda"
        m.node(disk, "block", "8:0", "sda")
        m.write("sys/devices/virtual/block/dm-0/dev", "253:0\n")
        m.link("sys/class/block/dm-0", "sys/devices/virtual/block/dm-0")
        m.link(f"{disk}/holders/dm-0", "sys/devices/virtual/block/dm-0")
        assert "/dev/dm-0 is built on /dev/sda" in run(m, "bind", A, status=NO)
        m.write("proc/self/mountinfo", "30 22 253:0 / / rw - ext4 /dev/mapper/root rw\n")
        assert "/dev/dm-0 is mounted on /" in run(m, "bind", A, status=NO)
    with Machine() as m:  # one path of several to an NVMe disk
        m.pci_driver("ptirq_uio")
        path = m.pci(A, driver="nvme", irq=22) + "/nvme/nvme1/nvme0c1n1"
        m.write(f"{path}/uevent", "")
        m.link("sys/block/nvme0c1n1", path)
        m.node("sys/devices/virtual/nvme-subsystem/nvme0n1", "block", "259:4", "nvme0n1")
        m.write("proc/self/mountinfo", "30 22 259:4 / /srv rw - ext4 /dev/nvme0n1 rw\n")
        assert "nvme0n1 is mounted" in run(m, "bind", A, status=NO)


@test
def bind_sees_other_uses(_):
    with Machine() as m:
        m.pci_driver("ptirq_uio")
        nic = m.pci(A, driver="virtio-pci", kind=0x020000, irq=22)
        m.net(nic + "/virtio0", "eth0", up=True)
        assert "eth0 is up" in run(m, "bind", A, status=NO)
        vga = m.pci(B, driver="bochs-drm", kind=0x030000, irq=22)
        m.write(f"{vga}/boot_vga", "1\n")
        assert "display" in run(m, "bind", B, status=NO)
        m.pci(C, driver="uio_pci_generic", irq=22, uio="uio3")
        m.process(90, "driver", "/dev/uio3")
        assert "/dev/uio3 is open: driver (process 90)" in run(m, "bind", C, status=NO)


@test
def bind_refuses_what_cannot(_):
    with Machine() as m:
        m.pci_driver("ptirq_uio")
        m.pci(A, pin=0, driver="nvme")
        assert "no INTx pin" in run(m, "bind", A, status=NO)
        m.pci(B, bridge=True, kind=0x060400, driver="pcieport")
        assert "bridge" in run(m, "bind", "--force", B, status=NO)
        assert "not there" in run(m, "bind", C, status=NO) and probed(m) == ""
        for wrong in ([], ["a", "b"], ["nonsense"], ["--driver", "e1000", C], ["--what", C]):
            run(m, "bind", *wrong, status=USAGE)
        run(m, "unbind", "--force", A, status=USAGE)


@test
def bind_loads_the_module(_):
    with Machine() as m:
        m.pci(A, irq=22)
        tools = m.path("bin")
        m.write("bin/modprobe", "#!/bin/sh\necho 'FATAL: Module ptirq_uio not found.' >&2\nexit 1\n")
        os.chmod(f"{tools}/modprobe", 0o755)
        said = run(m, "bind", A, status=NO, path=tools)
        assert "Module ptirq_uio not found" in said and "dkms status" in said, said
        assert m.read(f"sys/bus/pci/devices/{A}/driver_override") == "(null)\n"
        # It comes, and takes the device as a kernel would: before the probe here.
        device = m.path(f"sys/bus/pci/devices/{A}")
        m.write("bin/modprobe", f"#!/bin/sh\n[ \"$1\" = ptirq_uio ] && "
                f"mkdir {m.root}/sys/bus/pci/drivers/ptirq_uio && "
                f"ln -s ../../../bus/pci/drivers/ptirq_uio {device}/driver\n")
        document = run_json(m, "bind", "--persistent", A, path=tools)
        assert document["done"] and document["driver"] == "ptirq_uio", document
        assert document["changes"][0] == "load the module ptirq_uio", document
        assert m.read("sys/bus/pci/drivers_probe") == A
        rules = m.read("etc/udev/rules.d/59-ptirq-bind.rules")
        rule = (f'ACTION=="add", SUBSYSTEM=="pci", KERNEL=="{A}", '
                f'RUN+="{CTL} bind --driver ptirq_uio {A}"\n')
        assert rules.endswith(rule) and rules.count("ACTION") == 1, rules
        # Again: it is bound, and the rule is there once.
        assert run_json(m, "bind", "--persistent", A)["changes"] == []
        assert m.read("etc/udev/rules.d/59-ptirq-bind.rules") == rules


@test
def bind_of_a_platform_device(_):
    with Machine() as m:
        real = "sys/devices/platform/fpga.0"
        m.write(f"{real}/driver_override", "\n")
        m.link("sys/bus/platform/devices/fpga.0", real)
        m.write("sys/bus/platform/drivers_probe", "")
        m.write("sys/bus/platform/drivers/ptirq_uio/unbind", "")
        for name in ("fpga.0", "platform:fpga.0"):
            document = run_json(m, "bind", "-n", "--persistent", name)
            assert document["name"] == "fpga.0" and len(document["changes"]) == 3, document
        assert "not there" in run(m, "bind", "platform:gpio.7", status=NO)
        run(m, "bind", "gpio.7", status=USAGE)
        says(m, "no-driver", "ptirqctl bind fpga.0", address="platform:fpga.0")
        m.link(f"{real}/driver", "sys/bus/platform/drivers/ptirq_uio")
        run(m, "bind", "--persistent", "fpga.0")
        assert 'SUBSYSTEM=="platform", KERNEL=="fpga.0"' in m.read(
            "etc/udev/rules.d/59-ptirq-bind.rules")


@test
def unbind_gives_it_back(_):
    with Machine() as m:
        m.pci(A, driver="ptirq_uio", irq=22, line="line0", override="ptirq_uio")
        m.pci(B, driver="e1000", irq=22)
        m.write("etc/udev/rules.d/59-ptirq-bind.rules",
                "# by hand\n"
                f'ACTION=="add", SUBSYSTEM=="pci", KERNEL=="{A}", RUN+="x"\n'
                f'ACTION=="add", SUBSYSTEM=="pci", KERNEL=="{C}", RUN+="x"\n')
        assert "not ptirq's" in run(m, "unbind", B, status=NO)
        assert run_json(m, "unbind", "--dry-run", A)["done"] is False and probed(m) == ""
        document = run_json(m, "unbind", A)
        assert document["done"] and len(document["changes"]) == 4, document
        assert m.read("sys/bus/pci/drivers/ptirq_uio/unbind") == A and probed(m) == A
        assert m.read(f"sys/bus/pci/devices/{A}/driver_override").endswith("\n\n"), "cleared"
        rules = m.read("etc/udev/rules.d/59-ptirq-bind.rules")
        assert A not in rules and C in rules and "# by hand" in rules, rules


main(__name__)
