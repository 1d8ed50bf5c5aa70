/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <vmboot/event.h>

#include "base/error.h"
#include "base/str.h"
#include "base/xml.h"
#include "report/report.h"

/* All in pixels. */
enum {
	WIDTH = 1000,
	LEFT = 16,
	RIGHT = 16,
	TOP = 88, /* title, legend, the numbers on the time line */
	ROW = 22,
	BAR = 16,
	BOTTOM = 16,
	TEXT_BASE = 12,	   /* from the top of a bar to the line that its text stands on */
	LABEL_WIDTH = 150, /* what the longest label takes: else it goes to the left of its bar */
	GAP = 6,
};

/* What a bar shows, by colour; the legend has those that occur. */
enum kind { KIND_HOST, KIND_FIRMWARE, KIND_KERNEL, KIND_INIT, KIND_FAILED };

static const struct {
	const char *colour, *what;
} kinds[] = {
	[KIND_HOST] = {"#4c78a8", "host"},     [KIND_FIRMWARE] = {"#b0b0b0", "QEMU and firmware"},
	[KIND_KERNEL] = {"#f2b134", "kernel"}, [KIND_INIT] = {"#54a24b", "init and agent"},
	[KIND_FAILED] = {"#d62728", "failed"},
};

static enum kind kind_of(const struct vmboot_event *e)
{
	if (e->error)
		return KIND_FAILED;
	if (e->phase == VMBOOT_PHASE_FIRMWARE)
		return KIND_FIRMWARE;
	if (e->phase == VMBOOT_PHASE_KERNEL)
		return KIND_KERNEL;
	return e->guest ? KIND_INIT : KIND_HOST;
}

static double x_of(int64_t us, int64_t end_us)
{
	return LEFT + (double)us * (WIDTH - LEFT - RIGHT) / (double)end_us;
}

/* Numbers without a locale's comma. */
static void number(char text[32], double value)
{
	long long tenths = (long long)(value * 10 + 0.5);

	snprintf(text, 32, "%lld.%lld", tenths / 10, tenths % 10);
}

static void add_rect(xmlNodePtr svg, const double at[4], const char *fill)
{
	char n[4][32];

	for (int i = 0; i < 4; i++)
		number(n[i], at[i]);
	vmb_xml_attrs(vmb_xml_add(svg, "rect", NULL), "x", n[0], "y", n[1], "width", n[2], "height",
		      n[3], "fill", fill, NULL);
}

static xmlNodePtr add_text(xmlNodePtr svg, double x, double y, const char *anchor, const char *text)
{
	char x_text[32], y_text[32];

	number(x_text, x);
	number(y_text, y);
	return vmb_xml_attrs(vmb_xml_add(svg, "text", text), "x", x_text, "y", y_text,
			     "text-anchor", anchor, NULL);
}

static void add_line(xmlNodePtr svg, double x, double y1, double y2, const char *stroke)
{
	char n[3][32];

	number(n[0], x);
	number(n[1], y1);
	number(n[2], y2);
	vmb_xml_attrs(vmb_xml_add(svg, "line", NULL), "x1", n[0], "x2", n[0], "y1", n[1], "y2",
		      n[2], "stroke", stroke, NULL);
}

/* A label on the white ground: what lies behind it, the grid, stays clear of its letters. */
static void add_label(xmlNodePtr svg, double x, double y, const char *anchor, const char *text)
{
	vmb_xml_attrs(add_text(svg, x, y, anchor, text), "stroke", "#ffffff", "stroke-width", "4",
		      "stroke-linejoin", "round", "paint-order", "stroke", NULL);
}

static bool shows_kind(const struct vmboot_ledger *ledger, enum kind kind, int64_t end)
{
	for (size_t i = 0; i < ledger->n_events; i++)
		if (vmb_chart_shows(ledger->events[i], end) && kind_of(ledger->events[i]) == kind)
			return true;
	return false;
}

static void add_legend(xmlNodePtr svg, const struct vmboot_ledger *ledger, int64_t end)
{
	double x = LEFT;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!shows_kind(ledger, (enum kind)i, end))
			continue;
		add_rect(svg, (const double[]){x, 42, 12, 12}, kinds[i].colour);
		add_text(svg, x + 18, 52, "start", kinds[i].what);
		x += 150;
	}
}

static void add_title(xmlNodePtr svg, const struct vmboot_ledger *ledger)
{
	char title[256], took[32];

	snprintf(title, sizeof(title), "%s: the program has not started", ledger->name);
	if (ledger->program_us >= 0) {
		vmb_chart_duration(ledger->program_us, took);
		snprintf(title, sizeof(title), "%s: call to program %s", ledger->name, took);
	}
	vmb_xml_attrs(add_text(svg, LEFT, 26, "start", title), "font-size", "18", NULL);
}

static void add_scale(xmlNodePtr svg, int64_t end, double height)
{
	int64_t step = vmb_chart_step(end);
	char label[32];

	for (int64_t us = 0; us <= end; us += step) {
		if (step < 1000)
			snprintf(label, sizeof(label), "%lld us", (long long)us);
		else if (step < 1000000)
			snprintf(label, sizeof(label), "%lld ms", (long long)(us / 1000));
		else
			snprintf(label, sizeof(label), "%lld s", (long long)(us / 1000000));
		add_line(svg, x_of(us, end), TOP - 6, height - BOTTOM, "#dddddd");
		vmb_xml_attrs(add_text(svg, x_of(us, end), TOP - 12, us ? "middle" : "start",
				       label),
			      "fill", "#666666", NULL);
	}
}

static int add_row(xmlNodePtr svg, const struct vmboot_event *e, int64_t end, double y)
{
	_cleanup_free_ char *words = NULL, *label = NULL;
	double from = x_of(e->start_us, end), to = x_of(e->end_us, end);
	char took[32];
	int r = vmb_event_words(e, &words);

	vmb_chart_duration(e->end_us - e->start_us, took);
	if (r == 0)
		r = vmb_asprintf(&label, "%s %s", vmboot_phase_name(e->phase), took);
	if (r < 0)
		return r;
	if (to - from < 1.5)
		to = from + 1.5;
	add_rect(svg, (const double[]){from, y, to - from, BAR}, kinds[kind_of(e)].colour);
	if (*words) /* shown by a browser under the pointer */
		vmb_xml_add(xmlGetLastChild(svg), "title", words + strspn(words, " "));
	if (to - from > LABEL_WIDTH)
		add_text(svg, from + GAP, y + TEXT_BASE, "start", label);
	else if (to + GAP + LABEL_WIDTH < WIDTH)
		add_label(svg, to + GAP, y + TEXT_BASE, "start", label);
	else
		add_label(svg, from - GAP, y + TEXT_BASE, "end", label);
	return 0;
}

static void add_program_line(xmlNodePtr svg, const struct vmboot_ledger *ledger, int64_t end,
			     double height)
{
	if (ledger->program_us < 0 || ledger->program_us > end)
		return;
	add_line(svg, x_of(ledger->program_us, end), TOP - 6, height - BOTTOM, "#333333");
	vmb_xml_attrs(xmlGetLastChild(svg), "stroke-dasharray", "4 3", NULL);
}

static xmlNodePtr new_svg(xmlDocPtr doc, double height)
{
	xmlNodePtr svg = doc ? xmlNewNode(NULL, BAD_CAST "svg") : NULL;
	char h[32], box[64];

	if (!svg)
		return NULL;
	xmlDocSetRootElement(doc, svg);
	snprintf(h, sizeof(h), "%d", (int)height);
	snprintf(box, sizeof(box), "0 0 %d %d", WIDTH, (int)height);
	vmb_xml_attrs(svg, "xmlns", "http://www.w3.org/2000/svg", "viewBox", box, "width", "1000",
		      "height", h, "font-family", "sans-serif", "font-size", "12", NULL);
	vmb_xml_attrs(vmb_xml_add(svg, "rect", NULL), "width", "100%", "height", "100%", "fill",
		      "#ffffff", NULL);
	return svg;
}

int vmboot_ledger_svg(const struct vmboot_ledger *ledger, char **ret_svg)
{
	_cleanup_xml_ xmlDocPtr doc = xmlNewDoc(BAD_CAST "1.0");
	int64_t end = vmb_chart_end(ledger);
	double y = TOP, height = TOP + BOTTOM;
	xmlNodePtr svg;
	int r = 0;

	for (size_t i = 0; i < ledger->n_events; i++)
		height += vmb_chart_shows(ledger->events[i], end) ? ROW : 0;
	svg = new_svg(doc, height);
	add_title(svg, ledger);
	add_legend(svg, ledger, end);
	add_scale(svg, end, height);
	add_program_line(svg, ledger, end, height);
	for (size_t i = 0; r == 0 && i < ledger->n_events; i++)
		if (vmb_chart_shows(ledger->events[i], end)) {
			r = add_row(svg, ledger->events[i], end, y);
			y += ROW;
		}
	return r < 0 ? r : vmb_xml_text(svg ? doc : NULL, ret_svg);
}
