/**
 * A rollback's report as a page, for a person: first how much there is, then what was done on the strength of
 * what no longer holds, what was believed and is not, and what became of the rest. No script, nothing fetched; everything
 * that the report says is text.
 */
import type { JsonValue } from "../domain/operation.ts";
import type { Wire } from "../domain/wire.ts";
import type { RollbackReport } from "../service/rollback-view.ts";
import { escapeHtml, htmlPage } from "./html.ts";

/** Of one content as the page shows it; JSON has it whole. */
const SHOWN_CHARACTERS = 600;

/** Actions that are open when the page is; the others are folded, so that what follows stays in reach. */
const SHOWN_ACTIONS = 50;

/** A line of any of the lists: they differ in what they carry. */
type Line = Readonly<Record<string, JsonValue | undefined>>;

interface Section {
	readonly list: string;
	readonly title: string;
	readonly about: string;
	/** True: shown when it is asked for, as it asks nothing of the reader. */
	readonly folded: boolean;
	readonly line: (line: Line) => string;
}

const SECTIONS: readonly Section[] = [
	{
		list: "recanted",
		title: "No longer believed",
		about: "What these memories said before, and what they say now.",
		folded: false,
		line: (line) => {
			const after = line["after"];
			const now = after === undefined ? "<p>now: gone</p>" : `<p>now:</p>${contentHtml(after)}`;
			return `${nameHtml(line)}<p>before:</p>${contentHtml(line["before"])}${now}`;
		},
	},
	{
		list: "suspended",
		title: "Conclusions suspended",
		about: "Withdrawn until what they rest on is back.",
		folded: false,
		line: verdictHtml,
	},
	{
		list: "withdrawn",
		title: "Withdrawn",
		about: "They do not hold on the new branch, for a reason other than what they rest on.",
		folded: false,
		line: verdictHtml,
	},
	{
		list: "flagged",
		title: "Kept, and suspect",
		about: "What they rest on is gone; they are kept as their policy says, and marked.",
		folded: false,
		line: verdictHtml,
	},
	{
		list: "cleared",
		title: "Suspect no more",
		about: "What they rest on is back.",
		folded: true,
		line: verdictHtml,
	},
	{
		list: "reinstated",
		title: "Back again",
		about: "Conclusions that were suspended before, and hold again.",
		folded: true,
		line: verdictHtml,
	},
	{
		list: "replayed",
		title: "Carried over",
		about: "What agents wrote and still holds.",
		folded: true,
		line: verdictHtml,
	},
	{
		list: "derivedAnew",
		title: "Derived anew",
		about: "What the chain's handlers made of the new blocks.",
		folded: true,
		line: (line) => `${nameHtml(line)}<p>at block ${text(line["slot"])}</p>`,
	},
];

/** Lists that the report does not have are left out. */
export function reportPage(report: Wire<RollbackReport>): Response {
	const { rollback, truncated, ...rest } = report;
	// An older rollback's report has fewer lists, a later service's more.
	const lists: Readonly<Record<string, unknown>> = rest;
	const title = `Rollback to block ${rollback.ancestor.height}`;
	const cut = truncated
		? "<p>The lists hold only their first entries; the counts are whole.</p>"
		: "";
	const body = [
		`<h1>${escapeHtml(title)}</h1>`,
		headHtml(rollback),
		countsHtml(rollback.counts),
		cut,
		actionsHtml(linesOf(lists["actions"]), rollback.counts),
		...SECTIONS.map((section) =>
			sectionHtml(section, linesOf(lists[section.list]), rollback.counts),
		),
		`<p class="quiet">As JSON: the same address with <code>Accept: application/json</code>.</p>`,
	];
	return htmlPage(title, body.join("\n"));
}

function headHtml(rollback: Wire<RollbackReport>["rollback"]): string {
	const { chainId, from, to, ancestor, finishedAt, cause, id } = rollback;
	const why = {
		reorg: "The chain took blocks back.",
		manual: "An operator went back.",
		handlers: "The chain's handlers were changed.",
	}[cause];
	const rows = [
		["Chain", escapeHtml(String(chainId))],
		["Up to here nothing changed", blockHtml(ancestor)],
		["Believed until then", blockHtml(from)],
		["Head at the end", blockHtml(to)],
		["Committed", escapeHtml(finishedAt ?? "not yet")],
		["Rollback", `<code>${escapeHtml(id)}</code>`],
	];
	const terms = rows.map(([term, what]) => `<dt>${term}</dt><dd>${what}</dd>`);
	return `<p>${why} What follows is what that changed.</p><dl>${terms.join("")}</dl>`;
}

function actionsHtml(lines: readonly Line[], counts: Counts): string {
	if (lines.length === 0) return "";
	const more = lines.slice(SHOWN_ACTIONS);
	const folded =
		more.length === 0
			? ""
			: `<details><summary>${more.length} more</summary>${actionLines(more)}</details>`;
	return `<section class="alarm"><h2>Actions taken on what no longer holds (${howMany(lines, counts["actions"])})</h2>
<p>They were recorded as done; what they rested on is gone. Somebody has to decide what follows.</p>
${actionLines(lines.slice(0, SHOWN_ACTIONS))}${folded}</section>`;
}

function actionLines(lines: readonly Line[]): string {
	const items = lines.map(
		(line) => `<li>${nameHtml(line)}${contentHtml(line["content"])}${lostHtml(line)}</li>`,
	);
	return `<ul class="lines">${items.join("")}</ul>`;
}

type Counts = Readonly<Record<string, number>>;

/** `1000 of 1204` where the list was cut; an older rollback did not count everything. */
function howMany(lines: readonly Line[], count = 0): string {
	return count > lines.length ? `${lines.length} of ${count}` : lines.length.toString();
}

function countsHtml(counts: Counts): string {
	const items = Object.entries(counts).map(
		([name, count]) => `<li><b>${count}</b> ${escapeHtml(wordsOf(name))}</li>`,
	);
	return `<ul class="counts">${items.join("")}</ul>`;
}

function sectionHtml(section: Section, lines: readonly Line[], counts: Counts): string {
	if (lines.length === 0) return "";
	const { title, about, folded, line } = section;
	const items = lines.map((each) => `<li>${line(each)}</li>`).join("");
	const list = `<p>${about}</p><ul class="lines">${items}</ul>`;
	const head = `${title} (${howMany(lines, counts[section.list])})`;
	return folded
		? `<details><summary>${head}</summary>${list}</details>`
		: `<section><h2>${head}</h2>${list}</section>`;
}

function verdictHtml(line: Line): string {
	const { originalSlot: from, effectiveSlot: to, reason } = line;
	const moved = to === undefined || to === from ? "" : `, now at ${text(to)}`;
	const why = reason === undefined ? "" : `<p>${text(reason)}</p>`;
	return `${nameHtml(line)}<p>written at block ${text(from)}${moved}</p>${why}${lostHtml(line)}`;
}

function nameHtml({ namespace, id }: Line): string {
	return `<p class="name">${text(id)} <span class="quiet">in ${text(namespace)}</span></p>`;
}

/** What is gone of what it rests on. */
function lostHtml({ lost }: Line): string {
	const items = linesOf(lost).map((each) => {
		const { kind, ...parts } = each;
		const named = Object.entries(parts)
			.filter(([, value]) => value !== undefined && value !== null)
			.map(([name, value]) => `${escapeHtml(wordsOf(name))} <code>${text(value)}</code>`);
		return `<li>${[`gone: ${text(kind)}`, ...named].join(", ")}</li>`;
	});
	return items.length === 0 ? "" : `<ul class="lost">${items.join("")}</ul>`;
}

function blockHtml({ height, hash }: { readonly height: string; readonly hash: string }): string {
	return `block ${escapeHtml(height)} <code>${escapeHtml(hash)}</code>`;
}

function contentHtml(content: JsonValue | undefined): string {
	if (content === undefined) return "";
	const json = JSON.stringify(content, undefined, 1);
	const cut = json.length > SHOWN_CHARACTERS;
	const shown = cut ? `${json.slice(0, SHOWN_CHARACTERS)} …` : json;
	return `<pre>${escapeHtml(shown.toWellFormed())}</pre>`;
}

function text(value: JsonValue | undefined): string {
	if (value === undefined) return "";
	return escapeHtml(typeof value === "object" ? JSON.stringify(value) : String(value));
}

/** `derivedAnew` → `derived anew`. */
function wordsOf(name: string): string {
	return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function linesOf(list: unknown): readonly Line[] {
	if (!Array.isArray(list)) return [];
	return list.filter((line): line is Line => typeof line === "object" && line !== null);
}
