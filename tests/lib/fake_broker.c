// SPDX-License-Identifier: MIT
/*
 * The test's side of the fake broker. Owns the process and its socket's directory.
 */
#include "tests/lib/fake_broker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/channel.h"
#include "tests/lib/fake_internal.h"

struct fake {
	pid_t pid;
	int control;
	bool asleep;
	char directory[32], path[64];
};

static struct answer tell(struct fake *fake, struct command command)
{
	struct answer answer = {0};

	command.asleep = fake->asleep;
	fake->asleep = false;
	assert(send(fake->control, &command, sizeof(command), MSG_NOSIGNAL) == sizeof(command));
	if (!command.asleep)
		assert(recv(fake->control, &answer, sizeof(answer), 0) == sizeof(answer));
	return answer;
}

struct fake *fake_new(void)
{
	struct fake *fake = calloc(1, sizeof(*fake));
	int control[2], listener;

	assert(fake);
	strcpy(fake->directory, "/tmp/ptirq-fake-XXXXXX");
	assert(mkdtemp(fake->directory));
	snprintf(fake->path, sizeof(fake->path), "%s/sock", fake->directory);
	assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0);

	assert(channel_listen(fake->path, 0600, &listener) == 0);
	fake->pid = fork();
	assert(fake->pid >= 0);
	if (fake->pid == 0) {
		close(control[0]);
		fake_process(control[1], listener, fake->path);
		_exit(0);
	}
	close(control[1]);
	close(listener);
	fake->control = control[0];
	return fake;
}

void fake_free(struct fake *fake)
{
	int status;

	close(fake->control);
	assert(TEMP_FAILURE_RETRY(waitpid(fake->pid, &status, 0)) == fake->pid && status == 0);
	unlink(fake->path);
	rmdir(fake->directory);
	free(fake);
}

const char *fake_path(const struct fake *fake)
{
	return fake->path;
}

void fake_refuse(struct fake *fake, enum wire_request_kind kind, enum wire_code code,
		 const char *message)
{
	struct command c = {.op = OP_REFUSE, .number = kind, .status.code = code};

	snprintf(c.status.message, sizeof(c.status.message), "%s", message);
	tell(fake, c);
}

void fake_mute(struct fake *fake, enum wire_request_kind kind)
{
	fake_refuse(fake, kind, WIRE_OK, "");
}

void fake_interject(struct fake *fake, const struct wire_event *event)
{
	tell(fake, (struct command){.op = OP_INTERJECT, .event = *event});
}

void fake_follow(struct fake *fake, const struct wire_event *event)
{
	tell(fake, (struct command){.op = OP_INTERJECT, .flag = true, .event = *event});
}

void fake_units(struct fake *fake, uint32_t n)
{
	tell(fake, (struct command){.op = OP_UNITS, .number = n});
}

void fake_bad_pages(struct fake *fake)
{
	tell(fake, (struct command){.op = OP_BAD_PAGES});
}

void fake_asleep(struct fake *fake)
{
	fake->asleep = true;
}

void fake_event(struct fake *fake, const struct wire_event *event)
{
	tell(fake, (struct command){.op = OP_EVENT, .event = *event});
}

void fake_epoch(struct fake *fake)
{
	tell(fake, (struct command){.op = OP_EPOCH});
}

void fake_hang_up(struct fake *fake)
{
	tell(fake, (struct command){.op = OP_HANG_UP});
}

void fake_listen(struct fake *fake, bool listen)
{
	tell(fake, (struct command){.op = OP_LISTEN, .flag = listen});
}

void fake_garble(struct fake *fake)
{
	tell(fake, (struct command){.op = OP_GARBLE});
}

void fake_kill_me(struct fake *fake, int signal)
{
	tell(fake, (struct command){.op = OP_KILL, .number = (uint32_t)signal});
}

void fake_ask(struct fake *fake, uint32_t slot, uint32_t round, uint32_t flags)
{
	tell(fake, (struct command){.op = OP_ASK, .slot = slot, .round = round, .flags = flags});
}

void fake_ask_silently(struct fake *fake, uint32_t slot, uint32_t round)
{
	tell(fake, (struct command){.op = OP_ASK, .slot = slot, .round = round, .flag = true});
}

void fake_show(struct fake *fake, uint32_t slot, uint32_t round, uint32_t flags)
{
	tell(fake,
	     (struct command){
		     .op = OP_ASK, .slot = slot, .round = round, .flags = flags, .number = 1});
}

uint64_t fake_acked(struct fake *fake, uint32_t slot)
{
	return tell(fake, (struct command){.op = OP_ACKED, .slot = slot}).value;
}

unsigned int fake_ack_writes(struct fake *fake)
{
	return (unsigned int)tell(fake, (struct command){.op = OP_ACK_WRITES}).value;
}

void fake_own_wake(struct fake *fake)
{
	tell(fake, (struct command){.op = OP_OWN_WAKE});
}

unsigned int fake_own_resampled(struct fake *fake)
{
	return (unsigned int)tell(fake, (struct command){.op = OP_OWN_RESAMPLED}).value;
}

void fake_take_path(struct fake *fake, uint32_t slot, enum page_path path)
{
	tell(fake, (struct command){.op = OP_TAKE_PATH, .slot = slot, .number = path});
}

unsigned int fake_count(struct fake *fake, enum wire_request_kind kind)
{
	return (unsigned int)tell(fake, (struct command){.op = OP_COUNT, .number = kind}).value;
}

bool fake_connected(struct fake *fake)
{
	return tell(fake, (struct command){.op = OP_CONNECTED}).value;
}

struct wire_request fake_last(struct fake *fake, enum wire_request_kind kind)
{
	return tell(fake, (struct command){.op = OP_COUNT, .number = kind}).request;
}
