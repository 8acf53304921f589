/**
 * The URL of a provider: checked once, and from then on shown only without its secrets.
 *
 * Providers carry keys as user info, as a path segment or in the query, and repeat them in their
 * error messages; so every text that comes from a provider passes `redact` before it is kept.
 */
import { FatalError } from "../domain/errors.ts";

const PROTOCOLS = {
	"http:": "http",
	"https:": "http",
	"ws:": "webSocket",
	"wss:": "webSocket",
} as const;
const HIDDEN = "***";
/** Shorter values are words ("true", "eth") that would tear holes into messages. */
const SECRET_LENGTH = 6;
const LONG_TOKEN_LENGTH = 20;
const MIXED_TOKEN_LENGTH = 8;

export interface ProviderUrl {
	/** With its secrets: for connecting only. */
	readonly url: string;
	readonly transport: "http" | "webSocket";
	/** Without user info, path secrets, query and fragment. */
	readonly shown: string;
	/** `text` with every secret of this URL replaced. */
	readonly redact: (text: string) => string;
}

/** Throws `FatalError("configuration_invalid")` when `text` is not an http(s) or ws(s) URL. */
export function parseProviderUrl(text: string): ProviderUrl {
	const url = URL.canParse(text) ? new URL(text) : undefined;
	const transport = url === undefined ? undefined : transportOf(url.protocol);
	if (url === undefined || transport === undefined)
		throw new FatalError("configuration_invalid", {
			// The text itself may hold a key, so it is not repeated.
			message: "an RPC URL is not a valid http, https, ws or wss URL",
			hint: "give URLs such as http://127.0.0.1:8545 or wss://node.example/ws",
			fields: { length: text.length },
		});
	const shown = shownUrl(url);
	// No transport takes a fragment, and WebSocket rejects it.
	url.hash = "";
	return { url: url.href, transport, shown, redact: redactor(text, url, shown) };
}

function transportOf(protocol: string): "http" | "webSocket" | undefined {
	return protocol in PROTOCOLS ? PROTOCOLS[protocol as keyof typeof PROTOCOLS] : undefined;
}

function shownUrl(url: URL): string {
	const segments = url.pathname.split("/");
	const path = segments.map((segment) => (isToken(segment) ? HIDDEN : segment)).join("/");
	return `${url.protocol}//${url.host}${path === "/" ? "" : path}`;
}

/** Long segments, and shorter ones that mix letters and digits: no provider's plain words do. */
function isToken(segment: string): boolean {
	if (segment.length >= LONG_TOKEN_LENGTH) return true;
	return segment.length >= MIXED_TOKEN_LENGTH && /\d/.test(segment) && /[a-z]/i.test(segment);
}

function redactor(text: string, url: URL, shown: string): (text: string) => string {
	const secrets = [url.username, url.password, ...url.searchParams.values()]
		.concat(url.pathname.split("/").filter(isToken))
		.flatMap((secret) => [secret, decoded(secret)])
		.filter((secret) => secret.length >= SECRET_LENGTH)
		.sort((a, b) => b.length - a.length);
	return (message) => {
		const bare = message.replaceAll(text, shown).replaceAll(url.href, shown);
		return secrets.reduce((rest, secret) => rest.replaceAll(secret, HIDDEN), bare);
	};
}

function decoded(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		// A stray percent sign: the text stands for itself.
		return text;
	}
}
