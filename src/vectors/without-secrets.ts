/** What a server of somebody else's says, as the log may have it: in one short line, without secrets. */

/** As much of it as the log has. */
const LOGGED_CHARACTERS = 200;
/** As much of it as is looked at: what is cut out makes it shorter. */
const READ_CHARACTERS = 4_096;
const CUT = "[cut]";

/** Servers repeat what they were sent, headers and addresses too. Too much is cut rather than too little. */
const SECRETS: readonly (readonly [pattern: RegExp, put: string])[] = [
	[/\b(bearer|basic)\s+[^\s"',;]+/gi, `$1 ${CUT}`],
	// A name of a secret, perhaps with words such as "provided", then its value.
	[
		/((?:key|token|secret|password|authorization|credential)s?["']?(?:\s+\w+){0,3}\s*[:=]\s*["']?)[^\s"',;&}]+/gi,
		`$1${CUT}`,
	],
	[/\/\/[^/\s@]+@/g, `//${CUT}@`],
	[/\b(?:sk|pk|rk|hf|gsk|xai)[-_][^\s"',;]+/gi, CUT],
	[/\beyJ[\w.+/=-]+/g, CUT],
];

/** Long, with letters and digits: no word of a language. */
const LOOKS_RANDOM = /[\w+=*-]{16,}/g;

/** At most 200 characters. `known`: secrets that are cut out whatever they look like. */
export function withoutSecrets(text: string, known: readonly (string | undefined)[]): string {
	let line = startOf(text)
		.replaceAll(/[\p{Cc}\s]+/gu, " ")
		.trim();
	for (const secret of known) if (secret) line = line.replaceAll(secret, CUT);
	for (const [pattern, put] of SECRETS) line = line.replaceAll(pattern, put);
	line = line.replaceAll(LOOKS_RANDOM, (run) => (/\d/.test(run) && /[a-z]/i.test(run) ? CUT : run));
	return line.length > LOGGED_CHARACTERS ? `${line.slice(0, LOGGED_CHARACTERS - 1)}…` : line;
}

/** Not half a secret at its end, which would not look like one. */
function startOf(text: string): string {
	return text.length <= READ_CHARACTERS ? text : text.slice(0, READ_CHARACTERS).replace(/\S*$/, "");
}
