/** Pages of the service's own: plain HTML, no script, nothing fetched from elsewhere. */
import { createHash } from "node:crypto";

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #b4491f; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
a { color: var(--accent); } code { font: 13px ui-monospace, monospace; }
h2 { border-bottom: 1px solid var(--line); margin-top: 3rem; } h3 { margin: 2rem 0 .3rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
td, th { text-align: left; vertical-align: top; padding: .25rem .6rem; border-bottom: 1px solid var(--soft); overflow-wrap: anywhere; }
th { font-weight: 600; } .method { font-weight: 700; color: var(--accent); text-transform: uppercase; }
nav ul { columns: 2; padding-left: 1.2rem; }
h1, code, pre, .name { overflow-wrap: anywhere; }
pre { font: 13px/1.4 ui-monospace, monospace; white-space: pre-wrap; background: var(--soft); padding: .5rem .7rem; border-radius: 6px; margin: .3rem 0; }
dl { display: grid; grid-template-columns: minmax(7rem, 14rem) 1fr; gap: .2rem .8rem; } dt { opacity: .75; } dd { margin: 0; }
.lines, .counts, .lost { list-style: none; padding: 0; margin: 0; } .lines > li { border-top: 1px solid var(--line); padding: .6rem 0; }
.lines p { margin: .15rem 0; } .name { font-weight: 600; } .quiet { font-weight: 400; opacity: .75; } .lost { color: var(--accent); }
.counts { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; margin: 1rem 0; }
.alarm { border: 2px solid var(--accent); border-radius: 8px; padding: 0 1rem .5rem; margin: 1rem 0; } .alarm h2 { margin-top: 1rem; border: 0; color: var(--accent); }
summary { font-size: 1.3em; font-weight: 600; margin-top: 2rem; cursor: pointer; }
`;

const POLICY = [
	"default-src 'none'",
	`style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`,
	"base-uri 'none'",
	"form-action 'none'",
	"frame-ancestors 'none'",
].join("; ");

/** Text for use in HTML, in attributes too. */
export function escapeHtml(text: string): string {
	return text
		.replaceAll("&", "&amp;")
		.replaceAll("<", "&lt;")
		.replaceAll(">", "&gt;")
		.replaceAll('"', "&quot;")
		.replaceAll("'", "&#39;");
}

/** Escaped, with `code` between backticks. */
export function inlineHtml(text: string): string {
	return escapeHtml(text).replaceAll(/`([^`]+)`/g, "<code>$1</code>");
}

/** `body` is HTML already. */
export function htmlPage(title: string, body: string): Response {
	const page = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body>${body}</body></html>
`;
	return new Response(page, {
		headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": POLICY },
	});
}

/** Rows of cells that are HTML already; nothing for no rows. */
export function htmlTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
	if (rows.length === 0) return "";
	const cells = (row: readonly string[], tag: "td" | "th") =>
		`<tr>${row.map((cell) => `<${tag}>${cell}</${tag}>`).join("")}</tr>`;
	return `<table>${cells(head, "th")}${rows.map((row) => cells(row, "td")).join("")}</table>`;
}
