/* SPDX-License-Identifier: GPL-2.0 */
/* Tracepoints: events/ptirq/ in tracefs. "nr" is a device's number on its line; 31: the line. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ptirq

#if !defined(PTIRQ_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define PTIRQ_TRACE_H

#include <linux/tracepoint.h>

/* clang-format off */
/* The handler masked these devices; none is a neighbour's interrupt. */
TRACE_EVENT(fired,
	TP_PROTO(int irq, u32 devices),
	TP_ARGS(irq, devices),
	TP_STRUCT__entry(
		__field(int, irq)
		__field(u32, devices)
	),
	TP_fast_assign(
		__entry->irq = irq;
		__entry->devices = devices;
	),
	TP_printk("irq=%d devices=0x%x", __entry->irq, __entry->devices)
);

/* A device became deferred: by an interrupt, or again by an unmask that found it asserting. */
TRACE_EVENT(deferred,
	TP_PROTO(int irq, unsigned int nr, u64 generation, bool again),
	TP_ARGS(irq, nr, generation, again),
	TP_STRUCT__entry(
		__field(int, irq)
		__field(unsigned int, nr)
		__field(u64, generation)
		__field(bool, again)
	),
	TP_fast_assign(
		__entry->irq = irq;
		__entry->nr = nr;
		__entry->generation = generation;
		__entry->again = again;
	),
	TP_printk("irq=%d nr=%u generation=%llu again=%d",
		  __entry->irq, __entry->nr, __entry->generation, __entry->again)
);

TRACE_EVENT(acked,
	TP_PROTO(int irq, unsigned int nr, u64 generation, bool keep_masked),
	TP_ARGS(irq, nr, generation, keep_masked),
	TP_STRUCT__entry(
		__field(int, irq)
		__field(unsigned int, nr)
		__field(u64, generation)
		__field(bool, keep_masked)
	),
	TP_fast_assign(
		__entry->irq = irq;
		__entry->nr = nr;
		__entry->generation = generation;
		__entry->keep_masked = keep_masked;
	),
	TP_printk("irq=%d nr=%u generation=%llu keep_masked=%d",
		  __entry->irq, __entry->nr, __entry->generation, __entry->keep_masked)
);

/* An acknowledgment that was not due. */
TRACE_EVENT(stale_ack,
	TP_PROTO(int irq, unsigned int nr, u64 generation, u64 current_generation),
	TP_ARGS(irq, nr, generation, current_generation),
	TP_STRUCT__entry(
		__field(int, irq)
		__field(unsigned int, nr)
		__field(u64, generation)
		__field(u64, current_generation)
	),
	TP_fast_assign(
		__entry->irq = irq;
		__entry->nr = nr;
		__entry->generation = generation;
		__entry->current_generation = current_generation;
	),
	TP_printk("irq=%d nr=%u generation=%llu current=%llu",
		  __entry->irq, __entry->nr, __entry->generation, __entry->current_generation)
);
/* Mode cpa: the wire has changed. */
TRACE_EVENT(wire,
	TP_PROTO(int irq, u64 generation, bool asserted),
	TP_ARGS(irq, generation, asserted),
	TP_STRUCT__entry(
		__field(int, irq)
		__field(u64, generation)
		__field(bool, asserted)
	),
	TP_fast_assign(
		__entry->irq = irq;
		__entry->generation = generation;
		__entry->asserted = asserted;
	),
	TP_printk("irq=%d generation=%llu asserted=%d",
		  __entry->irq, __entry->generation, __entry->asserted)
);

/* Where a unit is masked has changed: enum ptirq_uio_mask_level. */
TRACE_EVENT(mask_level,
	TP_PROTO(int irq, unsigned int nr, u32 from, u32 to),
	TP_ARGS(irq, nr, from, to),
	TP_STRUCT__entry(
		__field(int, irq)
		__field(unsigned int, nr)
		__field(u32, from)
		__field(u32, to)
	),
	TP_fast_assign(
		__entry->irq = irq;
		__entry->nr = nr;
		__entry->from = from;
		__entry->to = to;
	),
	TP_printk("irq=%d nr=%u %s -> %s", __entry->irq, __entry->nr,
		  __print_symbolic(__entry->from,
				   { 0, "unmasked" }, { 1, "device" }, { 2, "line" }),
		  __print_symbolic(__entry->to,
				   { 0, "unmasked" }, { 1, "device" }, { 2, "line" }))
);

/* A line that nobody holds was looked at. */
TRACE_EVENT(lease,
	TP_PROTO(int irq, u32 status, u64 waited_ns),
	TP_ARGS(irq, status, waited_ns),
	TP_STRUCT__entry(
		__field(int, irq)
		__field(u32, status)
		__field(u64, waited_ns)
	),
	TP_fast_assign(
		__entry->irq = irq;
		__entry->status = status;
		__entry->waited_ns = waited_ns;
	),
	TP_printk("irq=%d status=%u after_ns=%llu", __entry->irq, __entry->status,
		  __entry->waited_ns)
);
/* clang-format on */

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE ptirq_trace
#include <trace/define_trace.h>
