/** `recant keys create`, `list` and `revoke`: over HTTP, as any other command. */
import type { KeyAnswer } from "../../client/answers.ts";
import type { KeyInput, PageQuery } from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import type { Session } from "../session.ts";
import { paint, printable, printJson, printLine, printTable, type Terminal } from "../terminal.ts";

export async function createKey(session: Session, key: KeyInput): Promise<ExitCode> {
	const { terminal, client, json } = session;
	const made = await client.createKey(key);
	if (json) {
		printJson(terminal, made);
		return EXIT.ok;
	}
	printLine(terminal, `key ${made.id}: ${scopesOf(made)}, ${namespacesOf(made)}`);
	printLine(terminal, paint(terminal, "bold", made.secret));
	printLine(
		terminal,
		"It is kept nowhere and not shown again. From now on every request needs a key:",
	);
	printLine(terminal, "set RECANT_API_KEY, or send `Authorization: Bearer <key>`.");
	return EXIT.ok;
}

export async function listKeys(session: Session, query: PageQuery): Promise<ExitCode> {
	const { terminal, client, json } = session;
	const page = await client.keys(query);
	if (json) {
		printJson(terminal, page);
		return EXIT.ok;
	}
	if (page.items.length === 0 && page.cursor === undefined) {
		printLine(terminal, "no keys");
		return EXIT.ok;
	}
	printTable(
		terminal,
		["id", "state", "scopes", "namespaces", "rate", "created", "expires", "name"],
		page.items.map((key) => [
			key.id,
			stateOf(terminal, key),
			scopesOf(key),
			namespacesOf(key),
			key.requestsPerMinute?.toString() ?? "-",
			key.createdAt,
			key.expiresAt ?? "-",
			printable(key.name),
		]),
	);
	if (page.cursor !== undefined) printLine(terminal, `more: --cursor ${printable(page.cursor)}`);
	return EXIT.ok;
}

export async function revokeKey(session: Session, id: string): Promise<ExitCode> {
	const { terminal, client, json } = session;
	const revoked = await client.revokeKey(id);
	if (json) printJson(terminal, revoked);
	else printLine(terminal, `key ${revoked.id} (${printable(revoked.name)}) is revoked`);
	return EXIT.ok;
}

function stateOf(terminal: Terminal, { revokedAt, expiresAt }: KeyAnswer): string {
	if (revokedAt !== undefined) return paint(terminal, "dim", "revoked");
	const expired = expiresAt !== undefined && Date.parse(expiresAt) <= Date.now();
	return expired ? paint(terminal, "yellow", "expired") : paint(terminal, "green", "valid");
}

function scopesOf({ scopes }: KeyAnswer): string {
	return scopes.join(", ");
}

function namespacesOf({ namespaces }: KeyAnswer): string {
	return namespaces === undefined ? "all namespaces" : printable(namespaces.join(", "));
}
