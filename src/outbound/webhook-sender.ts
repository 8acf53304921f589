/**
 * Sends webhooks as signed POSTs, as Standard Webhooks has them. Redirects are not followed, nobody is
 * waited for long, and little is read of an answer.
 */
import { LIMITS } from "../domain/limits.ts";
import { signatureHeader } from "../domain/webhook-signature.ts";
import { boundedPost, type Posted, reasonOf } from "../resilience/bounded-post.ts";
import type { SendOutcome, WebhookSender } from "../webhooks/delivery.ts";

/** As much of a receiver's words as a delivery's record carries. */
const SAID_CHARACTERS = 200;
/** Gone: Standard Webhooks has the receiver say so that it wants no more. */
const GONE = 410;

export interface SenderOptions {
	/** Each signs, so that receivers with the old and with the new secret take it. */
	readonly secrets: readonly Buffer[];
	/** Tests shorten it; default LIMITS.webhookMs. */
	readonly timeoutMs?: number;
}

export function createWebhookSender(options: SenderOptions): WebhookSender {
	return async ({ url, id, body }) => {
		const timestamp = Math.floor(Date.now() / 1_000).toString();
		try {
			const posted = await boundedPost({
				url,
				headers: {
					"content-type": "application/json",
					"user-agent": "recant",
					"webhook-id": id,
					"webhook-timestamp": timestamp,
					"webhook-signature": signatureHeader({ id, timestamp, body }, options.secrets),
				},
				body,
				timeoutMs: options.timeoutMs ?? LIMITS.webhookMs,
				answerBytes: LIMITS.webhookAnswerBytes,
			});
			return outcomeOf(posted);
		} catch (error) {
			// Whatever the network does is no failure of ours; it stands in the delivery's record.
			return { type: "failed", why: reasonOf(error) };
		}
	};
}

function outcomeOf({ status, text }: Posted): SendOutcome {
	if (status >= 200 && status < 300) return { type: "arrived" };
	const said = text.replaceAll(/[\p{Cc}\s]+/gu, " ").trim();
	const words = said === "" ? "" : `: ${said.slice(0, SAID_CHARACTERS)}`;
	if (status === GONE) return { type: "refused", why: `it wants no more (410)${words}` };
	if (status >= 300 && status < 400) {
		return { type: "failed", why: `it redirects (${status}), which is not followed` };
	}
	return { type: "failed", why: `it answered ${status}${words}` };
}
