# SPDX-License-Identifier: MIT
"""A machine as /sys, /proc and /dev show it, in a directory, for ptirqctl --root."""
import os
import shutil
import struct
import tempfile
import time

DISINTX, MASTER = 0x400, 4
INTX_PENDING, HAS_CAPS = 8, 0x10


def config_space(vendor, device, pin, disintx=False, asserts=False, msi=None, msix=None, bridge=False,
                 size=256):
    """@msi, @msix: (vectors, enabled)."""
    space = bytearray(256)
    status = (INTX_PENDING if asserts else 0) | (HAS_CAPS if msi or msix else 0)
    struct.pack_into("<HHHH", space, 0, vendor, device, MASTER | (DISINTX if disintx else 0), status)
    space[0x0e] = 1 if bridge else 0
    space[0x3d] = pin
    at = 0x34
    if msi:
        vectors, on = msi
        space[at] = 0x50
        struct.pack_into("<BBH", space, 0x50, 5, 0, (vectors.bit_length() - 1) << 1 | on)
        at = 0x51
    if msix:
        vectors, on = msix
        space[at] = 0x70
        struct.pack_into("<BBH", space, 0x70, 0x11, 0, vectors - 1 | on << 15)
    return bytes(space[:size])


class Machine:
    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="ptirq-machine-")
        for directory in ("sys/kernel/irq", "sys/class/net", "sys/class/uio", "sys/dev/block",
                          "sys/dev/char", "sys/class/block", "sys/bus/pci/devices",
                          "sys/bus/pci/drivers", "sys/bus/platform/devices", "proc/irq", "dev",
                          "proc/self", "etc"):
            os.makedirs(self.path(directory))
        self.write("sys/bus/pci/drivers_probe", "")
        self.write("proc/self/mountinfo", "22 1 0:20 / /sys rw - sysfs sysfs rw\n")
        self.write("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root)

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())

    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def link(self, name, target):
        """@target is below the root as well."""
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        os.symlink(os.path.relpath(self.path(target), os.path.dirname(self.path(name))),
                   self.path(name))

    def pci_driver(self, name):
        if not os.path.exists(self.path(f"sys/bus/pci/drivers/{name}")):
            self.write(f"sys/bus/pci/drivers/{name}/unbind", "")
            self.write(f"sys/bus/pci/drivers/{name}/bind", "")

    def pci(self, address, vendor=0x1234, device=0x11e8, kind=0x00ff00, pin=1, irq=0, enabled=1,
            driver=None, override="(null)", uio=None, line=None, group=None, vectors=(), msi_word="msix",
            **config):
        """@vectors: interrupts of its MSI; the rest goes to config_space()."""
        real = f"sys/devices/pci0000:00/{address}"
        for name, text in (("vendor", f"{vendor:#06x}"), ("device", f"{device:#06x}"),
                           ("class", f"{kind:#08x}"), ("irq", str(irq)), ("enable", str(enabled)),
                           ("driver_override", override)):
            self.write(f"{real}/{name}", text + "\n")
        self.write(f"{real}/config", config_space(vendor, device, pin, **config))
        self.link(f"sys/bus/pci/devices/{address}", real)
        if driver:
            self.pci_driver(driver)
            self.link(f"{real}/driver", f"sys/bus/pci/drivers/{driver}")
        for vector in vectors:
            self.write(f"{real}/msi_irqs/{vector}", msi_word + "\n")
        if uio:
            self.write(f"{real}/uio/{uio}/name", f"{driver}\n")
            self.link(f"sys/class/uio/{uio}", f"{real}/uio/{uio}")
            self.node(f"{real}/uio/{uio}", "char", f"244:{uio[3:]}", uio)
        if line:
            self.write(f"sys/devices/virtual/ptirq/ptirq!{line}/uevent", f"DEVNAME=ptirq/{line}\n")
            self.link(f"{real}/ptirq_line", f"sys/devices/virtual/ptirq/ptirq!{line}")
            self.write(f"dev/ptirq/{line}", "")
        if group:
            self.write(f"sys/kernel/iommu_groups/{group}/type", "DMA\n")
            self.link(f"{real}/iommu_group", f"sys/kernel/iommu_groups/{group}")
        return real

    def irq(self, number, actions="", trigger="level", chip="IO-APIC", count=7, recent=7, unhandled=0,
            ago=None):
        """@ago: seconds since the last that was nobody's; None: never."""
        # As the kernel has it: in jiffies, which begin 5 minutes before they wrap.
        last = 0 if ago is None else int((time.monotonic() - ago - 300) * 1000) % 2**32
        where = f"sys/kernel/irq/{number}"
        for name, text in (("actions", actions), ("type", trigger), ("chip_name", chip),
                           ("per_cpu_count", f"{count},0")):
            self.write(f"{where}/{name}", text + "\n")
        self.write(f"proc/irq/{number}/spurious",
                   f"count {recent}\nunhandled {unhandled}\nlast_unhandled {last} ms\n")

    def node(self, real, kind, number, name):
        """A device node that the driver of a device made; @real below /sys/devices."""
        self.write(f"{real}/uevent", f"MAJOR=1\nDEVNAME={name}\n")
        self.write(f"{real}/dev", number + "\n")
        self.link(f"sys/dev/{kind}/{number}", real)
        if kind == "block":
            self.link(f"sys/class/block/{os.path.basename(real)}", real)
        self.write(f"dev/{name}", "")

    def net(self, device, name, up):
        self.write(f"{device}/net/{name}/flags", "0x1003\n" if up else "0x1002\n")
        self.link(f"sys/class/net/{name}", f"{device}/net/{name}")

    def process(self, pid, comm, *nodes):
        self.write(f"proc/{pid}/comm", comm + "\n")
        os.makedirs(self.path(f"proc/{pid}/fd"))
        for fd, node in enumerate(nodes):
            os.symlink(node, self.path(f"proc/{pid}/fd/{fd}"))

    def kernel_log(self, *lines):
        self.write("dev/kmsg", "".join(f"3,{n + 1},1000,-;{line}\n" for n, line in enumerate(lines)))
