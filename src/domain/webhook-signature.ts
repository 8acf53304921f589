/**
 * Signatures of webhooks as Standard Webhooks (standardwebhooks.com) has them: HMAC-SHA256 with a shared
 * secret over `<id>.<timestamp>.<body>`, in base64 after `v1,`. Several, parted by spaces, while a secret
 * is being changed: a receiver needs to know one.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

/** `whsec_` and 24 to 64 bytes in base64: 32 to 88 characters. */
const SECRET = /^whsec_([A-Za-z0-9+/]{32,86}={0,2})$/;
const SECRET_BYTES = { least: 24, most: 64 };
const SIGNATURE_BYTES = 32;

export interface SignedParts {
	readonly id: string;
	/** Whole seconds since the epoch. */
	readonly timestamp: string;
	readonly body: string;
}

/** The key that a secret stands for; undefined: it is no secret of this form. */
export function secretKey(secret: string): Buffer | undefined {
	const encoded = SECRET.exec(secret)?.[1];
	if (encoded === undefined) return undefined;
	const key = Buffer.from(encoded, "base64");
	return key.length >= SECRET_BYTES.least && key.length <= SECRET_BYTES.most ? key : undefined;
}

/** Value of the header `webhook-signature`: one signature a key. */
export function signatureHeader(parts: SignedParts, keys: readonly Buffer[]): string {
	return keys.map((key) => `v1,${signature(parts, key).toString("base64")}`).join(" ");
}

/** Whether one of the header's signatures is one of these keys'; takes the same time for each of them. */
export function isSigned(header: string, parts: SignedParts, keys: readonly Buffer[]): boolean {
	const given = header.split(" ").flatMap((each) => {
		const [version, encoded = ""] = each.split(",", 2);
		const bytes = Buffer.from(encoded, "base64");
		return version === "v1" && bytes.length === SIGNATURE_BYTES ? [bytes] : [];
	});
	return keys.reduce((found, key) => {
		const expected = signature(parts, key);
		return given.reduce((one, bytes) => timingSafeEqual(bytes, expected) || one, found);
	}, false);
}

function signature({ id, timestamp, body }: SignedParts, key: Buffer): Buffer {
	return createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest();
}
