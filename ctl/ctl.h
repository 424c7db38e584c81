/* SPDX-License-Identifier: MIT */
/* ptirqctl: what its verbs share. */
#ifndef PTIRQ_CTL_H
#define PTIRQ_CTL_H

#include <ptirq-admin.h>
#include <ptirq.h>

/* What the shell sees. */
enum {
	EXIT_FINE = 0,
	EXIT_NO = 1,        /* the answer is no: refused, not found, not so */
	EXIT_USAGE = 2,     /* the command line */
	EXIT_NO_BROKER = 3, /* nobody answers */
};

struct ctl {
	bool json;
	const char *socket;  /* --socket, or NULL */
	const char *verb;    /* as it was called */
	struct ptirq *ptirq; /* open after reach() */
};

struct verb {
	const char *name;
	const char *arguments;
	const char *summary;
	int (*run)(struct ctl *ctl, int argc, char **argv); /* argv[0] is the verb */
	const char *more;                                   /* lines for --help, or NULL */
};

int verb_status(struct ctl *ctl, int argc, char **argv);
int verb_lines(struct ctl *ctl, int argc, char **argv);
int verb_show(struct ctl *ctl, int argc, char **argv);
int verb_clients(struct ctl *ctl, int argc, char **argv);
int verb_stats(struct ctl *ctl, int argc, char **argv);
int verb_watch(struct ctl *ctl, int argc, char **argv);
int verb_release(struct ctl *ctl, int argc, char **argv);
int verb_reload(struct ctl *ctl, int argc, char **argv);
int verb_check(struct ctl *ctl, int argc, char **argv);
int verb_scan(struct ctl *ctl, int argc, char **argv);
int verb_doctor(struct ctl *ctl, int argc, char **argv);
int verb_bind(struct ctl *ctl, int argc, char **argv);
int verb_unbind(struct ctl *ctl, int argc, char **argv);
int verb_sim(struct ctl *ctl, int argc, char **argv);
/* The part of sim that is a program of its own. */
int sim_run(struct ctl *ctl, int argc, char **argv);

/* Connect, once the arguments are known to make sense: EXIT_FINE, or the status after a sentence. */
int reach(struct ctl *ctl);
/* The exit status for a ptirq_open() that failed, after its sentence. */
int unreachable(const struct ctl *ctl, int err);
/* EXIT_USAGE, after a sentence and how the verb is called. */
int usage(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The exit status for a failed call of the library, after its sentence. */
int refused(const struct ctl *ctl, int err);
/* For verbs with positional arguments only: true if their number is within; else usage() was said. */
bool arguments_between(const struct ctl *ctl, int argc, char **argv, int least, int most);
/* EXIT_USAGE for what getopt_long() has refused; @verb is what takes the options. */
int bad_option(const struct ctl *ctl, const char *verb, char **argv);
/* A number, or false. */
bool parse_number(const char *text, uint64_t most, uint64_t *ret);

#endif
