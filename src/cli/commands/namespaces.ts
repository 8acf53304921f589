/** `recant namespaces list|show|set`: which there are, and what each is told to do. */
import { readFile } from "node:fs/promises";
import type { NamespaceAnswer } from "../../client/answers.ts";
import type { NamespacesQuery, SettingsInput } from "../../client/requests.ts";
import { LAYERS } from "../../domain/layer.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { UsageError } from "../failure.ts";
import type { Session } from "../session.ts";
import { printable, printJson, printLine, printTable } from "../terminal.ts";

export async function listNamespaces(session: Session, query: NamespacesQuery): Promise<ExitCode> {
	const { terminal, client, json } = session;
	const page = await client.namespaces(await session.chain(), query);
	if (json) {
		printJson(terminal, page);
		return EXIT.ok;
	}
	const layers = query.counts === true ? LAYERS : [];
	printTable(
		terminal,
		["namespace", "owner", "settings", ...layers],
		page.items.map(({ namespace, owner, hasSettings, memories }) => [
			printable(namespace),
			owner,
			hasSettings ? "yes" : "no",
			...layers.map((layer) => (memories?.[layer] ?? 0).toString()),
		]),
	);
	if (page.cursor !== undefined) printLine(terminal, `next page: --cursor ${page.cursor}`);
	return EXIT.ok;
}

export async function showNamespace(session: Session, namespace: string): Promise<ExitCode> {
	return show(session, await session.client.namespace(await session.chain(), namespace));
}

/** Exit code 2 for a file that is no JSON; what is wrong with the settings the service says. */
export async function setNamespace(
	session: Session,
	namespace: string,
	file: string,
): Promise<ExitCode> {
	const settings = await settingsIn(file);
	return show(
		session,
		await session.client.setNamespace(await session.chain(), namespace, settings),
	);
}

async function settingsIn(file: string): Promise<SettingsInput> {
	try {
		return JSON.parse(await readFile(file, "utf8")) as SettingsInput;
	} catch (error) {
		const reason = error instanceof Error ? error.message : String(error);
		throw new UsageError(`${file} cannot be read: ${reason}`, "name a file that holds JSON");
	}
}

function show({ terminal, json }: Session, answer: NamespaceAnswer): ExitCode {
	if (json) {
		printJson(terminal, answer);
		return EXIT.ok;
	}
	const { namespace, source, updatedAt, settings } = answer;
	const since = updatedAt === undefined ? "" : ` at ${updatedAt}`;
	printLine(terminal, `${printable(namespace)}: ${source}${since}`);
	for (const line of JSON.stringify(settings, null, 2).split("\n")) {
		printLine(terminal, printable(line));
	}
	return EXIT.ok;
}
