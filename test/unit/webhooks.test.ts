import { describe, expect, test } from "vitest";
import { verifyWebhook, WebhookError } from "../../src/client/webhook.ts";
import type { RollbackId } from "../../src/domain/ids.ts";
import type { JsonObject } from "../../src/domain/operation.ts";
import { secretKey, signatureHeader } from "../../src/domain/webhook-signature.ts";
import { createWebhookSender } from "../../src/outbound/webhook-sender.ts";
import { reportMessage } from "../../src/webhooks/report-message.ts";
import { startAnsweringServer } from "../support/answering-server.ts";

/** From the specification's own example. */
const SPEC = {
	secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
	timestamp: "1614265330",
	body: '{"test": 2432232314}',
	signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
};
const OTHER = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;

function keyOf(secret: string): Buffer {
	return secretKey(secret) ?? Buffer.alloc(0);
}

function specMessage(changed: Partial<typeof SPEC> = {}) {
	const { id, timestamp, signature, body, secret } = { ...SPEC, ...changed };
	const headers = {
		"webhook-id": id,
		"webhook-timestamp": timestamp,
		"webhook-signature": signature,
	};
	return { headers, body, secret, now: new Date(Number(SPEC.timestamp) * 1_000) };
}

function refusalOf(message: Parameters<typeof verifyWebhook>[0]): string {
	try {
		verifyWebhook(message);
	} catch (error) {
		if (error instanceof WebhookError) return error.code;
		throw error;
	}
	return "accepted";
}

describe("a signature", () => {
	test("is that of Standard Webhooks", () => {
		expect(signatureHeader(SPEC, [keyOf(SPEC.secret)])).toBe(SPEC.signature);
		expect(verifyWebhook(specMessage())).toEqual({
			id: SPEC.id,
			timestamp: new Date(Number(SPEC.timestamp) * 1_000),
			payload: { test: 2_432_232_314 },
		});
	});

	test("of the old or the new secret is enough while one is changed, on either side", () => {
		const both = signatureHeader(SPEC, [keyOf(OTHER), keyOf(SPEC.secret)]);
		expect(refusalOf(specMessage({ signature: both }))).toBe("accepted");
		expect(refusalOf(specMessage({ signature: both, secret: OTHER }))).toBe("accepted");
		expect(refusalOf({ ...specMessage(), secret: [OTHER, SPEC.secret] })).toBe("accepted");
		expect(refusalOf({ ...specMessage(), secret: OTHER })).toBe("signature_invalid");
	});

	test.each<[string, Partial<typeof SPEC>, string]>([
		["another body", { body: '{"test": 2432232315}' }, "signature_invalid"],
		["another id", { id: "msg_other" }, "signature_invalid"],
		["another timestamp", { timestamp: "1614265331" }, "signature_invalid"],
		["a cut signature", { signature: SPEC.signature.slice(0, -4) }, "signature_invalid"],
		["another version", { signature: SPEC.signature.replace("v1", "v2") }, "signature_invalid"],
		["no signature", { signature: "" }, "headers_invalid"],
		["no time", { timestamp: "now" }, "headers_invalid"],
		["a secret that is none", { secret: "sesame" }, "secret_invalid"],
	])("with %s is refused", (_, changed, code) => {
		expect(refusalOf(specMessage(changed))).toBe(code);
	});

	test("is refused when it is old, and when it is of the future", () => {
		const at = (seconds: number) => new Date((Number(SPEC.timestamp) + seconds) * 1_000);
		expect(refusalOf({ ...specMessage(), now: at(300) })).toBe("accepted");
		expect(refusalOf({ ...specMessage(), now: at(301) })).toBe("timestamp_refused");
		expect(refusalOf({ ...specMessage(), now: at(-301) })).toBe("timestamp_refused");
		expect(refusalOf({ ...specMessage(), now: at(20), toleranceSeconds: 10 })).toBe(
			"timestamp_refused",
		);
	});

	test("is looked for in the headers as fetch has them, too", () => {
		const { headers, ...message } = specMessage();
		expect(refusalOf({ ...message, headers: new Headers(headers) })).toBe("accepted");
		const twice = { ...headers, "webhook-id": [SPEC.id, SPEC.id] };
		expect(refusalOf({ ...message, headers: twice })).toBe("headers_invalid");
	});
});

describe("the sender", () => {
	const message = { id: "d1", body: '{"a":1}' };
	const secrets = [keyOf(OTHER), keyOf(SPEC.secret)];

	test("sends what a receiver can verify with either secret", async () => {
		const server = await startAnsweringServer(() => ({ status: 204 }));
		const send = createWebhookSender({ secrets });
		expect(await send({ ...message, url: `${server.url}/hook` })).toEqual({ type: "arrived" });
		const [asked] = server.asked;
		if (asked === undefined) throw new Error("nothing came");
		for (const secret of [OTHER, SPEC.secret]) {
			expect(verifyWebhook({ ...asked, secret })).toMatchObject({ id: "d1", payload: { a: 1 } });
		}
		expect(refusalOf({ ...asked, body: '{"a":2}', secret: OTHER })).toBe("signature_invalid");
	});

	test.each([
		[500, "failed", "it answered 500: no"],
		[404, "failed", "it answered 404: no"],
		[410, "refused", "it wants no more (410): no"],
	] as const)("takes %i for %s", async (status, type, why) => {
		const server = await startAnsweringServer(() => ({
			status,
			body: "n\u0000o".replace("\u0000", ""),
		}));
		const send = createWebhookSender({ secrets });
		expect(await send({ ...message, url: server.url })).toEqual({ type, why });
	});

	test("follows no redirect", async () => {
		const elsewhere = await startAnsweringServer(() => ({}));
		const server = await startAnsweringServer(() => ({
			status: 307,
			headers: { location: elsewhere.url },
		}));
		const outcome = await createWebhookSender({ secrets })({ ...message, url: server.url });
		expect(outcome).toMatchObject({
			type: "failed",
			why: "it redirects (307), which is not followed",
		});
		expect(elsewhere.asked).toHaveLength(0);
	});

	test("waits for nobody for long, and reads little of what is said", async () => {
		const slow = await startAnsweringServer(() => ({ afterMs: 60_000 }));
		const send = createWebhookSender({ secrets, timeoutMs: 50 });
		expect(await send({ ...message, url: slow.url })).toEqual({
			type: "failed",
			why: "it did not answer in time",
		});
		const long = await startAnsweringServer(() => ({ status: 500, body: "x".repeat(5_000_000) }));
		const outcome = await createWebhookSender({ secrets })({ ...message, url: long.url });
		expect(JSON.stringify(outcome).length).toBeLessThan(400);
	});

	test("takes a receiver that is not there for one that may be later", async () => {
		const server = await startAnsweringServer(() => ({}));
		await server.close();
		const outcome = await createWebhookSender({ secrets })({ ...message, url: server.url });
		expect(outcome).toEqual({ type: "failed", why: "ECONNREFUSED" });
	});
});

describe("the message", () => {
	const rollback = { id: "r1" as RollbackId, chainId: 1, counts: { recanted: 3 } };
	const parts = { rollback, committedAt: new Date(0), publicUrl: undefined };
	const line = (id: string): JsonObject => ({ id, content: "x".repeat(80) });

	test("holds the whole report where there is room, and says where it is", () => {
		const report = { truncated: false, actions: [line("a")], recanted: [line("b")], suspended: [] };
		const message = JSON.parse(reportMessage({ ...parts, report, publicUrl: "https://r" }));
		expect(message).toMatchObject({
			type: "rollback.committed",
			timestamp: "1970-01-01T00:00:00.000Z",
			data: { ...report, rollback, report: "https://r/v1/chains/1/rollbacks/r1/report" },
		});
	});

	test("is never longer than it may be, and says what it left out; actions go first", () => {
		const lines = (name: string) => Array.from({ length: 50 }, (_, at) => line(`${name} ☃ ${at}`));
		const report = { truncated: false, recanted: lines("r"), actions: lines("a"), replayed: [] };
		const most = 600;
		for (let limit = most; limit < 12_000; limit += 97) {
			const text = reportMessage({ ...parts, report }, limit);
			expect(Buffer.byteLength(text)).toBeLessThanOrEqual(limit);
			const { data } = JSON.parse(text);
			const whole = data.actions.length === 50 && data.recanted.length === 50;
			expect(data.truncated).toBe(!whole);
			if (data.recanted.length > 0) expect(data.actions).toHaveLength(50);
		}
		expect(JSON.parse(reportMessage({ ...parts, report }, 20_000)).data.truncated).toBe(false);
	});

	test("says so when the report itself was cut", () => {
		const message = JSON.parse(reportMessage({ ...parts, report: { truncated: true } }));
		expect(message.data.truncated).toBe(true);
	});
});
