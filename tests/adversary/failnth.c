/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into the broker: the n-th call from now on that could run out of something does. Owns a
 * page shared with the test (PTIRQ_FAILNTH names its file), which says from when on, and hears how far
 * it came. For T7.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct page {
	_Atomic int64_t left;   /* fails when it comes down to 0; 0 or less: never */
	_Atomic int64_t failed; /* how many have */
};

static struct page *page;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("PTIRQ_FAILNTH");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED
			   : mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map != MAP_FAILED)
		page = map;
	if (fd >= 0)
		close(fd);
	unsetenv("LD_PRELOAD");
}

static int fails(int error)
{
	if (!page || page->left <= 0 || --page->left != 0)
		return 0;
	page->failed++;
	errno = error;
	return 1;
}

#define REAL(name)                       \
	static __typeof__(&(name)) real; \
	if (!real)                       \
	real = (__typeof__(&(name)))(uintptr_t)dlsym(RTLD_NEXT, #name)

#define EXPORT __attribute__((visibility("default")))

/* dlsym() itself may call calloc(): glibc's own names are used for memory. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

EXPORT void *malloc(size_t size)
{
	return fails(ENOMEM) ? NULL : __libc_malloc(size);
}

EXPORT void *calloc(size_t n, size_t size)
{
	return fails(ENOMEM) ? NULL : __libc_calloc(n, size);
}

EXPORT void *realloc(void *old, size_t size)
{
	return fails(ENOMEM) ? NULL : __libc_realloc(old, size);
}

EXPORT int eventfd(unsigned int count, int flags)
{
	REAL(eventfd);
	return fails(EMFILE) ? -1 : real(count, flags);
}

EXPORT int memfd_create(const char *name, unsigned int flags)
{
	REAL(memfd_create);
	return fails(ENFILE) ? -1 : real(name, flags);
}

EXPORT int ftruncate(int fd, off_t size)
{
	REAL(ftruncate);
	return fails(ENOSPC) ? -1 : real(fd, size);
}

EXPORT void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	REAL(mmap);
	return fails(ENOMEM) ? MAP_FAILED : real(at, size, protection, flags, fd, offset);
}

EXPORT int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	REAL(accept4);
	return fails(EMFILE) ? -1 : real(fd, address, size, flags);
}

EXPORT int getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	REAL(getsockopt);
	return fails(ENOBUFS) ? -1 : real(fd, level, name, value, size);
}

EXPORT ssize_t send(int fd, const void *data, size_t size, int flags)
{
	REAL(send);
	return fails(ENOBUFS) ? -1 : real(fd, data, size, flags);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	REAL(sendmsg);
	return fails(ENOBUFS) ? -1 : real(fd, message, flags);
}

EXPORT int fcntl(int fd, int command, ...)
{
	va_list args;
	void *arg;

	REAL(fcntl);
	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	return fails(EMFILE) ? -1 : real(fd, command, arg);
}

/* As the kernel does it: what is watched already is found before anything is allocated. */
EXPORT int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	int r;

	REAL(epoll_ctl);
	r = real(epoll, operation, fd, event);
	if (r < 0 || operation != EPOLL_CTL_ADD || !fails(ENOSPC))
		return r;
	real(epoll, EPOLL_CTL_DEL, fd, event);
	errno = ENOSPC;
	return -1;
}
