/** `recant keys` on the command line. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { SCOPES } from "../domain/caller.ts";
import { LIMITS } from "../domain/limits.ts";
import { countArgument } from "./arguments.ts";
import { type CommandRun, inSession } from "./command-run.ts";
import { createKey, listKeys, revokeKey } from "./commands/keys.ts";

interface CreateFlags {
	readonly scope: string[];
	readonly namespace?: string[];
	readonly rate?: number;
	readonly expires?: string;
}

interface ListFlags {
	readonly limit: number;
	readonly cursor?: string;
}

export function addKeyCommands(program: Command, run: CommandRun): void {
	const keys = program
		.command("keys")
		.description("API keys: who may read and write what")
		.addHelpText(
			"after",
			"\nThe first key is made on the service's own machine, where none is needed yet: give it the scope\noperate, for all namespaces and without an end, so that it can make the others. From then on every\nrequest needs a key: set RECANT_API_KEY.",
		);
	keys
		.command("create")
		.description("make a key; its secret is shown this once")
		.argument("<name>", "what it is for")
		.addOption(
			new Option("--scope <scope...>", "what it may do").choices([...SCOPES]).default(["read"]),
		)
		.option("--namespace <namespace...>", "only these namespaces; left out: all")
		.option("--rate <n>", "requests a minute", countArgument("keyRequestsPerMinute"))
		.option("--expires <time>", "ISO 8601, such as 2030-01-31T00:00:00Z", timeArgument)
		.action((name: string, flags: CreateFlags, command: Command) => {
			const { scope: scopes, namespace: namespaces, rate, expires: expiresAt } = flags;
			const key = { name, scopes, namespaces, requestsPerMinute: rate, expiresAt };
			return inSession(run, command, (session) => createKey(session, key));
		});
	keys
		.command("list")
		.description("keys, the newest first")
		.option("--limit <n>", `keys, 1 to ${LIMITS.pageSize}`, countArgument("pageSize"), 50)
		.option("--cursor <cursor>", "next page, as the page before says")
		.action((flags: ListFlags, command: Command) =>
			inSession(run, command, (session) => listKeys(session, flags)),
		);
	keys
		.command("revoke")
		.description("make a key open nothing any more")
		.argument("<id>", "the key's id, see `recant keys list`")
		.action((id: string, _flags: object, command: Command) =>
			inSession(run, command, (session) => revokeKey(session, id)),
		);
}

function timeArgument(text: string): string {
	if (/^\d{4}-\d\d-\d\dT/.test(text) && !Number.isNaN(Date.parse(text))) return text;
	throw new InvalidArgumentError("must be a time of ISO 8601, such as 2030-01-31T00:00:00Z.");
}
