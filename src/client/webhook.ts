/**
 * For receivers of Recant's webhooks: whether a request is what Recant sent, and sent just now.
 *
 *     const message = verifyWebhook({ headers: request.headers, body, secret: process.env.WEBHOOK_SECRET });
 *     if (await seen(message.id)) return; // a repeated delivery has the same id
 *     await act(message.payload);
 *
 * `body` is the text exactly as it came: parsed and printed again it is another text. A message that is
 * sent again within the tolerance is not refused here; its `id` is the same, and a receiver that keeps the
 * ids of the last few minutes acts on each once.
 */
import { LIMITS } from "../domain/limits.ts";
import { isSigned, secretKey } from "../domain/webhook-signature.ts";

export type WebhookRefusal =
	/** A header is missing or malformed. */
	| "headers_invalid"
	/** It was signed longer ago, or further in the future, than is tolerated. */
	| "timestamp_refused"
	/** No signature fits: another secret, or another body. */
	| "signature_invalid"
	/** The secret to check with is none. */
	| "secret_invalid"
	/** It is signed, and no JSON object. */
	| "body_invalid";

export class WebhookError extends Error {
	override readonly name = "WebhookError";
	readonly code: WebhookRefusal;

	constructor(code: WebhookRefusal, message: string, cause?: unknown) {
		super(message, cause === undefined ? undefined : { cause });
		this.code = code;
	}
}

export interface WebhookToVerify {
	/** As a `Headers`, or as node:http gives them. */
	readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>;
	/** As it came, not parsed. */
	readonly body: string;
	/** `whsec_…`; several while it is being changed. */
	readonly secret: string | readonly string[];
	/** Default: the present time. */
	readonly now?: Date;
	/** Seconds that the message may be old, or ahead; default 300. */
	readonly toleranceSeconds?: number;
}

export interface VerifiedWebhook {
	/** The same at every try of one delivery. */
	readonly id: string;
	readonly timestamp: Date;
	readonly payload: Readonly<Record<string, unknown>>;
}

/** Throws `WebhookError`; what is returned was signed with the secret, within the tolerance. */
export function verifyWebhook(webhook: WebhookToVerify): VerifiedWebhook {
	const { headers, body, now = new Date() } = webhook;
	const keys = keysOf(webhook.secret);
	const id = header(headers, "webhook-id");
	const timestamp = header(headers, "webhook-timestamp");
	const signatures = header(headers, "webhook-signature");
	if (!/^\d{1,12}$/.test(timestamp)) {
		throw new WebhookError("headers_invalid", "webhook-timestamp is no number of seconds");
	}
	if (!isSigned(signatures, { id, timestamp, body }, keys)) {
		throw new WebhookError("signature_invalid", "no signature fits id, timestamp, body and secret");
	}
	checkAge(Number(timestamp), now, webhook.toleranceSeconds ?? LIMITS.webhookToleranceS);
	return { id, timestamp: new Date(Number(timestamp) * 1_000), payload: parsed(body) };
}

function keysOf(secret: string | readonly string[]): readonly Buffer[] {
	const secrets = typeof secret === "string" ? [secret] : secret;
	const keys = secrets.map(secretKey).filter((key) => key !== undefined);
	if (keys.length > 0 && keys.length === secrets.length) return keys;
	throw new WebhookError(
		"secret_invalid",
		"a secret is `whsec_` and 24 to 64 bytes in base64, as WEBHOOK_SECRET has it",
	);
}

function header(headers: WebhookToVerify["headers"], name: string): string {
	const value = headers instanceof Headers ? headers.get(name) : headers[name];
	if (typeof value === "string" && value !== "") return value;
	throw new WebhookError("headers_invalid", `the header ${name} is missing or there twice`);
}

function checkAge(timestampS: number, now: Date, toleranceS: number): void {
	const ageS = now.getTime() / 1_000 - timestampS;
	if (Math.abs(ageS) <= toleranceS) return;
	const when = ageS > 0 ? `${Math.round(ageS)} s ago` : `${Math.round(-ageS)} s in the future`;
	throw new WebhookError(
		"timestamp_refused",
		`it was signed ${when}; ${toleranceS} s are tolerated`,
	);
}

function parsed(body: string): VerifiedWebhook["payload"] {
	try {
		const payload: unknown = JSON.parse(body);
		if (isObject(payload)) return payload;
	} catch (cause) {
		throw new WebhookError("body_invalid", "the body is not JSON", cause);
	}
	throw new WebhookError("body_invalid", "the body is no JSON object");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
