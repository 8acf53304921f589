/**
 * The service in a process of its own, to be killed. Its one argument is the JSON of ChildSettings.
 * Says one line of JSON for each thing that tests wait for (ChildEvent), and hangs where it is told to.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { chainSpec } from "../../src/config/chains.ts";
import { readEnvironment } from "../../src/config/environment.ts";
import type { ChainSpec } from "../../src/follower/chain-spec.ts";
import type { RunningRecant } from "../../src/main.ts";
import type { Stage } from "../../src/rollback/rollback-record.ts";

export interface ChildSettings {
	/** Variables of src/config/environment.ts; nothing else of this process's environment counts. */
	readonly environment: Readonly<Record<string, string>>;
	/** Hangs before this stage of a rollback, with everything else going on. */
	readonly hangBefore: Stage | undefined;
	/** Rollbacks that it sees through before it hangs. */
	readonly hangAfterRollbacks: number;
	/** Stands still, event loop and all, as soon as a rollback's commit is heard of. */
	readonly hangAfterCommit: boolean;
	readonly inlineRollbacks: boolean;
	readonly flushRows: number | undefined;
	readonly rollbackChanges: number | undefined;
	/** Stands for the code of the chain's file; undefined: the file as it is. */
	readonly handlersCode: string | undefined;
	/** Longest wait before a stage, at random; undefined: none. */
	readonly stageDelayMs: number | undefined;
}

export type ChildEvent =
	| { readonly event: "ready"; readonly url: string }
	| { readonly event: "stage"; readonly stage: Stage; readonly attempt: number }
	| { readonly event: "hangs"; readonly stage: Stage }
	| { readonly event: "committed" };

const settings = JSON.parse(process.argv[2] ?? "") as ChildSettings;
// chains/anvil.ts reads its settings from the environment of the process that loads it.
Object.assign(process.env, settings.environment);
const { startRecant } = await import("../../src/main.ts");
const { tokenLedger } = await import("../../chains/anvil.ts");

const environment = readEnvironment(settings.environment);
/** Rollbacks that this process worked on. */
const begun = new Set<string>();
const service = await startRecant({
	environment,
	...(settings.handlersCode === undefined ? {} : { chains: [chain(settings.handlersCode)] }),
	inlineRollbacks: settings.inlineRollbacks,
	...(settings.flushRows === undefined ? {} : { flushRows: settings.flushRows }),
	...(settings.rollbackChanges === undefined ? {} : { rollbackChanges: settings.rollbackChanges }),
	beforeStage: async (stage, { attempt, rollbackId }) => {
		begun.add(rollbackId);
		say({ event: "stage", stage, attempt });
		if (settings.stageDelayMs !== undefined) await sleep(Math.random() * settings.stageDelayMs);
		if (stage !== settings.hangBefore || begun.size <= settings.hangAfterRollbacks) return;
		say({ event: "hangs", stage });
		await new Promise<never>(() => undefined);
	},
});
if (settings.hangAfterCommit) standStillAtCommit(service);
process.once("SIGTERM", () => {
	service.stop().then(() => process.exit(0), fail);
});
say({ event: "ready", url: service.url });

/** The chain that tests follow in their own process, for two that follow it in turn. */
function chain(handlersCode: string): ChainSpec {
	const code = new TextEncoder().encode(handlersCode);
	return chainSpec(tokenLedger(environment.exampleChain), { file: "chains/anvil.ts", code });
}

function standStillAtCommit({ service: recant }: RunningRecant): void {
	const watch = async () => {
		const { signal } = new AbortController();
		const query = { after: undefined, chains: undefined, types: ["rollback"] };
		for await (const _ of recant.events(query, signal)) {
			say({ event: "committed" });
			Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
		}
	};
	watch().catch(fail);
}

function fail(error: unknown): never {
	console.error(error);
	process.exit(1);
}

function say(event: ChildEvent): void {
	// A pipe is written synchronously on POSIX, so the line is out before a hang.
	process.stdout.write(`${JSON.stringify(event)}\n`);
}
