/**
 * One service with two tenants, each with a key of their own namespace: Alice, whose memories say words that
 * nobody else may see, and Mallory, who tries to. Everything that Mallory is answered is kept.
 */
import { randomBytes } from "node:crypto";
import type { Anvil } from "../../scripts/support/anvil.ts";
import { devAccount } from "../../scripts/support/dev-accounts.ts";
import type { Hex } from "../../src/domain/ids.ts";
import type { Stage } from "../../src/rollback/rollback-record.ts";
import {
	type Answer,
	CHAIN,
	type Installation,
	makeInstallation,
	type RunningService,
	startService,
	startTokenNode,
	tokenChain,
	until,
} from "./running-service.ts";

export const C = `/v1/chains/${CHAIN}`;
/** Stands in every word of Alice's: contents, texts, ids, names of collections. */
export const SECRET = `whalebone${randomBytes(6).toString("hex")}`;

export interface Tenant {
	readonly id: string;
	readonly secret: string;
	/** `METHOD path`, with a body for those that take one; HEAD and GET by default. */
	ask(path: string, init?: RequestInit): Promise<Answer>;
	post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
	send(method: string, path: string, body: unknown): Promise<Answer>;
}

export interface Tenants {
	readonly anvil: Anvil;
	readonly service: RunningService;
	readonly operator: Tenant;
	readonly alice: Tenant;
	readonly mallory: Tenant;
	/** Another key for Mallory's namespace. */
	readonly mallet: Tenant;
	/** One for Mallory's namespace and the one that the chain's handlers write, which Alice may read too. */
	readonly neighbour: Tenant;
	/** Everything that the two were answered, as text. */
	readonly leaks: string[];
	reaches(height: number): Promise<void>;
	/** Resolves when a rollback is about to take that stage, which it then does not before `release`. */
	hold(stage: Stage): { readonly held: Promise<void>; release(): void };
	newKey(fields: object): Promise<Tenant>;
	stop(): Promise<void>;
}

export async function startTenants(): Promise<Tenants> {
	const installation = await makeInstallation("isolation");
	const { anvil, token } = await startTokenNode();
	try {
		await token.mint({ to: devAccount(1).address, value: 1n });
		await anvil.mine(1);
		return await serve(installation, anvil, token.address);
	} catch (error) {
		await anvil.stop();
		throw error;
	}
}

async function serve(installation: Installation, anvil: Anvil, token: Hex): Promise<Tenants> {
	const holds = new Map<
		Stage,
		{ readonly arrived: () => void; readonly released: Promise<void> }
	>();
	const service = await startService({
		installation,
		chains: [tokenChain({ rpcUrl: anvil.rpcUrl, token })],
		beforeStage: async (stage) => {
			const hold = holds.get(stage);
			hold?.arrived();
			await hold?.released;
		},
	});
	await service.reaches(2);
	const leaks: string[] = [];
	const json = { "content-type": "application/json" };
	const tenant = (id: string, secret: string, kept: boolean): Tenant => {
		const authorization = `Bearer ${secret}`;
		const ask = async (path: string, init: RequestInit = {}) => {
			const headers = { ...json, ...init.headers, authorization };
			const answer = await service.get(path, { ...init, headers });
			if (kept) leaks.push(answer.text);
			return answer;
		};
		return {
			id,
			secret,
			ask,
			post: (path, body, headers = {}) =>
				ask(path, { method: "POST", body: JSON.stringify(body), headers }),
			send: (method, path, body) => ask(path, { method, body: JSON.stringify(body) }),
		};
	};
	const first = await service.post("/v1/keys", {
		name: "operator",
		scopes: ["read", "write", "operate"],
	});
	const operator = tenant(first.body.id, first.body.secret, false);
	const newKey = async (fields: object, kept = true): Promise<Tenant> => {
		const { status, body, text } = await operator.post("/v1/keys", { name: "tenant", ...fields });
		if (status !== 201) throw new Error(`no key: ${text}`);
		return tenant(body.id, body.secret, kept);
	};
	const all = { scopes: ["read", "write", "operate"] };
	return {
		...{ anvil, service, operator, leaks },
		alice: await newKey({ ...all, namespaces: ["alice", "ledger"] }, false),
		mallory: await newKey({ ...all, namespaces: ["mallory"] }),
		mallet: await newKey({ ...all, namespaces: ["mallory"] }),
		neighbour: await newKey({ ...all, namespaces: ["mallory", "ledger"] }),
		newKey: (fields) => newKey(fields),
		reaches: (height) =>
			until(`the head to reach ${height}`, async () => {
				const { body } = await operator.ask(C);
				return body.state === "following" && Number(body.head?.height ?? -1) >= height;
			}),
		hold(stage) {
			const arrived = Promise.withResolvers<void>();
			const released = Promise.withResolvers<void>();
			holds.set(stage, { arrived: arrived.resolve, released: released.promise });
			return {
				held: arrived.promise,
				release() {
					holds.delete(stage);
					released.resolve();
				},
			};
		},
		async stop() {
			for (const stage of holds.keys()) holds.delete(stage);
			await service.stop();
			await anvil.stop();
			await installation.remove();
		},
	};
}
