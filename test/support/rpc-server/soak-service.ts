/**
 * The service of a soak, in a process of its own so that its memory is its own. Its one argument is the JSON of
 * SoakServiceSettings. At SIGUSR2 it collects garbage and says how much memory is left, and how its providers do.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { readEnvironment } from "../../../src/config/environment.ts";
import { startRecant } from "../../../src/main.ts";
import { type LedgerSpecOptions, ledgerSpec } from "./ledger-spec.ts";

export interface SoakServiceSettings {
	readonly environment: Readonly<Record<string, string>>;
	readonly chain: LedgerSpecOptions;
}

export interface SoakMemory {
	readonly event: "memory";
	/** Which of the samples that were asked for; from 1. */
	readonly sample: number;
	readonly rssBytes: number;
	readonly heapUsedBytes: number;
	readonly externalBytes: number;
	/** State and head of each provider, in the order of the chain's file. */
	readonly providers: readonly string[];
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const settings = JSON.parse(process.argv[2] ?? "") as SoakServiceSettings;
const spec = ledgerSpec(settings.chain);
const environment = readEnvironment(settings.environment);
const running = await startRecant({ environment, chains: [spec] });
let sample = 0;
process.on("SIGUSR2", async () => {
	const { providers: known } = await running.service.chain(spec.name);
	const providers = known.map(({ state, head }) => `${state} at ${head}`);
	collect();
	sample += 1;
	const { rss, heapUsed, external } = process.memoryUsage();
	const memory = { sample, rssBytes: rss, heapUsedBytes: heapUsed, externalBytes: external };
	say({ event: "memory", ...memory, providers });
});
process.once("SIGTERM", () => {
	running.stop().then(
		() => process.exit(0),
		(error: unknown) => {
			console.error(error);
			process.exit(1);
		},
	);
});
say({ event: "ready", handlersHash: spec.handlersHash });

function say(event: { readonly event: "ready"; readonly handlersHash: string } | SoakMemory): void {
	process.stdout.write(`${JSON.stringify(event)}\n`);
}
