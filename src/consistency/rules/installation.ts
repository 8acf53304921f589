/** The installation id in Postgres against the one beside the vectors. */
import type { CheckContext } from "../check-context.ts";
import type { ScanRule } from "../rule.ts";
import { byPerson, subject } from "../subject.ts";

export const installation: ScanRule<CheckContext> = {
	kind: "scan",
	name: "installation",
	level: "basic",
	severity: "critical",
	compares: "the installation id in Postgres with the one beside the vectors",
	async *check({ state, parts, read }) {
		await read(2);
		const [database, vectors] = await Promise.all([
			state.installationId(),
			parts.tables.installationId(),
		]);
		if (database !== undefined && database === vectors) return;
		yield {
			class: "installation_differs",
			subject: subject({ store: "lancedb", table: "installation" }),
			message: `Postgres is of installation ${database ?? "none"}, the vectors are of ${vectors ?? "none"}`,
			since: undefined,
			remedy: byPerson("recant status", "point LANCEDB_URI and DATABASE_URL at one installation"),
		};
	},
};
