// SPDX-License-Identifier: MIT
/*
 * A virtual machine monitor: the line's interrupt goes into the guest by irqfd, and the guest's end of
 * interrupt comes back by resamplefd, without this program. The guest is twenty instructions that enable
 * IRQ 5, sleep, read the device's register at port 0x500, and send the end of interrupt.
 *
 *	ptirq-broker --sim &
 *	examples/vmm_irqfd --device dev0 --count 3 &
 *	ptirqctl sim assert demo dev0
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "examples/example.h"

#define GSI    5
#define PORT   0x500
#define MEMORY 0x10000

static const uint8_t guest[] = {
	0xb0, 0x11, 0xe6, 0x20, 0xb0, 0x08, 0xe6, 0x21, /* CODE: the PIC: IRQ 5 is vector 13 */
	0xb0, 0x04, 0xe6, 0x21, 0xb0, 0x01, 0xe6, 0x21, 0xb0, 0xdf, 0xe6, 0x21, /* IRQ 5 only */
	0xba, 0xd0, 0x04, 0xb0, 0x20, 0xee, /* and level-triggered */
	0xfb, 0xf4, 0xeb, 0xfd,             /* sti; sleep: hlt; jmp sleep */
	0xba, 0x00, 0x05, 0xec,             /* HANDLER: mov dx, PORT; in al, dx */
	0xb0, 0x20, 0xe6, 0x20, 0xcf,       /* end of interrupt; iret */
};
#define CODE    0x1000
#define HANDLER 0x101e

struct vmm {
	int vm;
	struct ptirq *ptirq;
	struct ptirq_sub *sub;
	pthread_mutex_t lock; /* of the device: one thread serves it, the other maps it anew */
	struct device device;
};

static int control(int fd, unsigned long request, const void *argument, const char *what)
{
	int r = ioctl(fd, request, argument);

	if (r < 0)
		err(1, "%s", what);
	return r;
}

/*
 * The whole of the coupling. KVM raises the GSI when wake is signalled; at the guest's end of interrupt it
 * lowers it and signals resample, which is the verdict PTIRQ_EOI. KVM lets go of the eventfds of a broker
 * that is gone when they are closed, which libptirq has done by now.
 */
static void connect_irq(const struct vmm *vmm)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)ptirq_wake_fd(vmm->sub),
		.gsi = GSI,
		.flags = KVM_IRQFD_FLAG_RESAMPLE,
		.resamplefd = (uint32_t)ptirq_resample_fd(vmm->sub),
	};

	control(vmm->vm, KVM_IRQFD, &irqfd, "KVM_IRQFD");
}

static void map_registers(struct vmm *vmm)
{
	uint64_t epoch = ptirq_epoch(vmm->ptirq);

	pthread_mutex_lock(&vmm->lock);
	if (epoch != vmm->device.epoch && device_map(&vmm->device, epoch) < 0)
		warnx("%s", ptirq_error(vmm->ptirq));
	pthread_mutex_unlock(&vmm->lock);
}

/* The thread that the handle belongs to. A VMM that pauses its guest calls ptirq_park() here. */
static void *loop(void *argument)
{
	struct vmm *vmm = argument;
	struct pollfd pfd = {.fd = ptirq_get_fd(vmm->ptirq), .events = POLLIN};
	int r;

	for (;;) {
		if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
			err(1, "poll");
		r = ptirq_dispatch(vmm->ptirq);
		if ((r < 0 && r != -ENOTCONN) || ptirq_evicted(vmm->sub))
			errx(1, "%s", ptirq_error(vmm->ptirq));
		if (ptirq_rebind_needed(vmm->sub)) {
			map_registers(vmm);
			connect_irq(vmm);
		}
	}
	return NULL;
}

static int make_vm(int kvm)
{
	int vm = control(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	struct kvm_userspace_memory_region region = {.memory_size = MEMORY};
	uint8_t *memory =
		mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		err(1, "the guest's memory");
	memcpy(memory + CODE, guest, sizeof(guest));
	memory[13 * 4] = HANDLER & 0xff;
	memory[13 * 4 + 1] = HANDLER >> 8;
	region.userspace_addr = (uint64_t)(uintptr_t)memory;

	control(vm, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
	control(vm, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
	return vm;
}

static struct kvm_run *make_cpu(int kvm, int vm, int *ret_cpu)
{
	int cpu = control(vm, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
	int size = control(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
	struct kvm_regs regs = {.rip = CODE, .rsp = 0x8000, .rflags = 2};
	struct kvm_sregs sregs;
	struct kvm_run *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);

	if (run == MAP_FAILED)
		err(1, "the processor's page");
	control(cpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	control(cpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	control(cpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
	*ret_cpu = cpu;
	return run;
}

/* The guest reads the register: the device is served. */
static unsigned long read_port(struct vmm *vmm, struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	struct ptirq_irq irq;
	unsigned long n;

	pthread_mutex_lock(&vmm->lock);
	irq.epoch = vmm->device.epoch;
	n = serve(&vmm->device, &irq);
	pthread_mutex_unlock(&vmm->lock);
	*data = (uint8_t)n;
	return n;
}

int main(int argc, char **argv)
{
	struct arguments args = arguments(argc, argv);
	struct ptirq_options options = PTIRQ_OPTIONS_INIT;
	static struct vmm vmm = {.lock = PTHREAD_MUTEX_INITIALIZER};
	unsigned long served = 0;
	struct kvm_run *run;
	pthread_t thread;
	int kvm, cpu;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		err(1, "/dev/kvm");
	vmm.vm = make_vm(kvm);
	run = make_cpu(kvm, vmm.vm, &cpu);

	/* A guest has a spurious detector of its own: it is asked only if its device may assert. */
	options.device = args.device;
	options.flags = PTIRQ_OPT_EVENTFDS | PTIRQ_OPT_RESAMPLE;
	if (ptirq_open(&vmm.ptirq, NULL) < 0 ||
	    ptirq_subscribe(vmm.ptirq, args.line, &options, &vmm.sub) < 0)
		errx(1, "%s", ptirq_error(vmm.ptirq));
	vmm.device.ptirq = vmm.ptirq;
	vmm.device.args = &args;
	if (device_map(&vmm.device, ptirq_epoch(vmm.ptirq)) < 0)
		errx(1, "%s", ptirq_error(vmm.ptirq));
	connect_irq(&vmm);
	errno = pthread_create(&thread, NULL, loop, &vmm);
	if (errno)
		err(1, "pthread_create");

	while (!args.count || served < args.count) {
		if (ioctl(cpu, KVM_RUN, NULL) < 0) {
			if (errno != EINTR)
				err(1, "KVM_RUN");
			continue;
		}
		if (run->exit_reason != KVM_EXIT_IO || run->io.port != PORT)
			errx(1, "the guest stopped: exit reason %u", run->exit_reason);
		served += read_port(&vmm, run);
	}
	printf("served %lu\n", served);
	/* The handle is the other thread's; the end of the process closes it as well. */
	return 0;
}
