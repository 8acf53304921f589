/** Takes a run's findings: counts all, keeps the first ones, and writes them in groups. */
import type { ChainId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { CheckContext } from "./check-context.ts";
import type { KeptFinding } from "./consistency-run.ts";
import { NO_FINDINGS, type Severity, type SeverityCounts } from "./finding.ts";
import type { Rule, RuleFinding } from "./rule.ts";

/** Findings of one insert. */
const GROUP = 500;

export class FindingSink {
	readonly #chainId: ChainId;
	readonly #write: (findings: readonly KeptFinding[]) => Promise<void>;
	readonly #counts: Record<Severity, number> = { ...NO_FINDINGS };
	#seq = 0;
	#waiting: KeptFinding[] = [];

	constructor(chainId: ChainId, write: (findings: readonly KeptFinding[]) => Promise<void>) {
		this.#chainId = chainId;
		this.#write = write;
	}

	get counts(): SeverityCounts {
		return { ...this.#counts };
	}

	async take(rule: Rule<CheckContext>, finding: RuleFinding): Promise<void> {
		const severity = finding.severity ?? rule.severity;
		this.#counts[severity] += 1;
		this.#seq += 1;
		if (this.#seq > LIMITS.findingsKept) return;
		const { chainId } = { chainId: this.#chainId };
		this.#waiting.push({ ...finding, severity, chainId, rule: rule.name, seq: this.#seq });
		if (this.#waiting.length >= GROUP) await this.flush();
	}

	async flush(): Promise<void> {
		const findings = this.#waiting;
		this.#waiting = [];
		if (findings.length > 0) await this.#write(findings);
	}
}
