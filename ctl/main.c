// SPDX-License-Identifier: MIT
/*
 * ptirqctl [--json] [--socket PATH] VERB: finds the verb, opens the connection, says what went wrong.
 */
#include "ctl/ctl.h"
#include "ctl/sysfs.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct verb verbs[] = {
	{"status", "", "is the broker well, what has it done", verb_status, NULL},
	{"lines", "", "every line, and what is wrong with it", verb_lines, NULL},
	{"show", "LINE", "one line: its devices and its subscribers", verb_show, NULL},
	{"clients", "", "who is connected", verb_clients, NULL},
	{"stats", "[LINE]", "counters and response times", verb_stats, NULL},
	{"watch", "[--count N] [LINE]", "what happens, as it happens", verb_watch, NULL},
	{"release", "CLIENT|LINE", "evict a client, or a line's subscribers", verb_release, NULL},
	{"reload", "", "read the configuration again", verb_reload, NULL},
	{"check", "CONFIG", "is this configuration right?", verb_check, NULL},
	{"scan", "", "the machine's interrupts and what could be brokered", verb_scan, NULL},
	{"doctor", "[LINE|ADDRESS]", "what is wrong, and what to do", verb_doctor, NULL},
	{"bind", "[OPTION...] ADDRESS", "give a device to ptirq_uio", verb_bind,
	 "  bind [--dry-run] [--force] [--persistent] [--driver NAME] ADDRESS\n"
	 "                                    say what will change, and change it; --force also if\n"
	 "                                    the device is in use, --persistent at every boot;\n"
	 "                                    NAME is ptirq_uio or uio_pci_generic\n"},
	{"unbind", "[--dry-run] ADDRESS", "give it back", verb_unbind, NULL},
	{"sim", "assert|deassert|run ...", "play the devices of a software line", verb_sim,
	 "  sim assert LINE DEVICE [BITS]     set bits of a soft device's status (1)\n"
	 "  sim deassert LINE DEVICE [BITS]   clear them\n"
	 "  sim run [--line NAME] [--device NAME]... [--rate PER_SECOND] [--count N] [--bits N]\n"
	 "          [--seed N] [--drain MS] [--log FILE]\n"
	 "                                    raise bits at random, each after seeing it 0\n"},
};
#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void help(FILE *to)
{
	fputs("ptirqctl [--json] [--socket PATH] VERB [ARGUMENT...]\n\n", to);
	for (size_t i = 0; i < N_VERBS; i++)
		fprintf(to, "  %-8s%-26s%s\n", verbs[i].name, verbs[i].arguments, verbs[i].summary);
	fputs("\n", to);
	for (size_t i = 0; i < N_VERBS; i++)
		if (verbs[i].more)
			fputs(verbs[i].more, to);
	fputs("\n"
	      "  -j, --json          {\"schema\": \"ptirq.VERB.v1\", ...}\n"
	      "  -s, --socket PATH   default: $PTIRQ_SOCKET, $XDG_RUNTIME_DIR/ptirq/broker.sock,\n"
	      "                      /run/ptirq/broker.sock\n"
	      "  -h, --help          this; after a verb, that verb's\n"
	      "      --version\n"
	      "\n"
	      "Exit status: 0 fine, 1 the answer is no, 2 usage, 3 no broker.\n",
	      to);
}

static void verb_help(const struct verb *verb)
{
	printf("ptirqctl %s%s%s\n\n  %s\n", verb->name, verb->arguments[0] ? " " : "",
	       verb->arguments, verb->summary);
	if (verb->more)
		printf("\n%s", verb->more);
	puts("\nptirqctl(1) says more.");
}

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < N_VERBS; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

int usage(const struct ctl *ctl, const char *format, ...)
{
	const struct verb *verb = find(ctl->verb);
	va_list args;

	fputs("ptirqctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nusage: ptirqctl %s%s%s\n", verb->name, verb->arguments[0] ? " " : "",
		verb->arguments);
	return EXIT_USAGE;
}

bool arguments_between(const struct ctl *ctl, int argc, char **argv, int least, int most)
{
	if (argc - 1 < least)
		usage(ctl, "%s: something is missing", ctl->verb);
	else if (argc - 1 > most)
		usage(ctl, "%s: '%s' is too much%s", ctl->verb, argv[most + 1],
		      argv[most + 1][0] == '-'
			      ? ": options of ptirqctl itself stand before the verb"
			      : "");
	return argc - 1 >= least && argc - 1 <= most;
}

int bad_option(const struct ctl *ctl, const char *verb, char **argv)
{
	return usage(ctl, "%s: '%s' is no option, or needs a value", verb, argv[optind - 1]);
}

bool parse_number(const char *text, uint64_t most, uint64_t *ret)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || *end || text[0] == '-' || value > most)
		return false;
	*ret = value;
	return true;
}

/* Nobody there, or nobody any more. */
static bool is_absence(int err)
{
	switch (-err) {
	case ENOENT:
	case ECONNREFUSED:
	case ECONNRESET:
	case EPIPE:
	case ENOTCONN:
	case ETIMEDOUT: return true;
	default: return false;
	}
}

int refused(const struct ctl *ctl, int err)
{
	fprintf(stderr, "ptirqctl: %s\n", ptirq_error(ctl->ptirq));
	/* With a connection -ENOENT is about a line or a client. */
	return err != -ENOENT && is_absence(err) ? EXIT_NO_BROKER : EXIT_NO;
}

int unreachable(const struct ctl *ctl, int err)
{
	fprintf(stderr, "ptirqctl: %s\n", ptirq_error(ctl->ptirq));
	return is_absence(err) ? EXIT_NO_BROKER : EXIT_NO;
}

int reach(struct ctl *ctl)
{
	int r = ptirq_open(&ctl->ptirq, ctl->socket);

	return r == 0 ? EXIT_FINE : unreachable(ctl, r);
}

/* --json, wherever it stands after the verb. What argc becomes. */
static int take_json(struct ctl *ctl, int argc, char **argv)
{
	int n = 0;

	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], "--json") == 0 || strcmp(argv[i], "-j") == 0)
			ctl->json = true;
		else
			argv[n++] = argv[i];
	argv[n] = NULL;
	return n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"socket", required_argument, NULL, 's'},
		{"root", required_argument, NULL,
		 'r'}, /* for tests: /sys, /proc and /dev below it */
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{0},
	};
	const struct verb *verb;
	struct ctl ctl = {0};
	int c;

	/* "+": what comes after the verb is the verb's. */
	while ((c = getopt_long(argc, argv, "+js:h", options, NULL)) != -1)
		switch (c) {
		case 'j': ctl.json = true; break;
		case 's': ctl.socket = optarg; break;
		case 'r': sys_root(optarg); break;
		case 'h': help(stdout); return EXIT_FINE;
		case 'v': puts("ptirqctl " PTIRQ_VERSION); return EXIT_FINE;
		default: fputs("ptirqctl --help says more\n", stderr); return EXIT_USAGE;
		}
	argc -= optind;
	argv += optind;
	if (argc < 1) {
		help(stderr);
		return EXIT_USAGE;
	}
	ctl.verb = argv[0];
	verb = find(ctl.verb);
	if (!verb) {
		fprintf(stderr, "ptirqctl: no verb '%s'; ptirqctl --help lists them\n", ctl.verb);
		return EXIT_USAGE;
	}
	/* Also after the verb, where people look for it. */
	if (argc > 1 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[argc - 1], "--help") == 0)) {
		verb_help(verb);
		return EXIT_FINE;
	}
	argc = take_json(&ctl, argc, argv);
	opterr = 0; /* the verbs say it in their own words */
	c = verb->run(&ctl, argc, argv);
	ptirq_close(ctl.ptirq);
	return c;
}
