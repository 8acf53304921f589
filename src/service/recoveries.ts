/** Recoveries of halted chains as users see them: what is possible, beginning one, and what was done. */

import { FatalError } from "../domain/errors.ts";
import type { ChainId, Height, Hex, RollbackId } from "../domain/ids.ts";
import type { JsonObject } from "../domain/operation.ts";
import type { RecoveryOption } from "../recovery/options.ts";
import type { Outlook, Recoverer, RecoveryAsked } from "../recovery/recoverer.ts";
import type { Recovery, RecoveryKind, RecoveryPlan, RecoveryState } from "../recovery/recovery.ts";
import type { Problem } from "../writer/writer-store.ts";
import { cursorInvalid, decodeCursor, encodeCursor } from "./reading/cursor.ts";
import type { Page } from "./recant-service.ts";

export interface RecoveryView {
	readonly id: string;
	readonly chainId: ChainId;
	readonly kind: RecoveryKind;
	readonly state: RecoveryState;
	/** The halt that it answers. */
	readonly problem: Problem;
	/** 1 for the first that answers this halt. */
	readonly attempt: number;
	/** What it rests on: what each provider said, without the secrets of its URL. */
	readonly evidence: JsonObject;
	/** Rollback that it runs; follow it there. */
	readonly rollbackId: RollbackId | undefined;
	readonly error: Problem | undefined;
	readonly startedAt: Date;
	readonly finishedAt: Date | undefined;
}

export interface RecoveryPlanView extends Omit<RecoveryPlan, "snapshot"> {
	readonly snapshot:
		| {
				readonly id: string;
				readonly height: Height;
				readonly blockHash: Hex;
				readonly memories: number;
		  }
		| undefined;
}

export interface RecoveryOptionView extends Omit<RecoveryOption, "plan"> {
	readonly plan: RecoveryPlanView | undefined;
}

export interface OutlookView extends Omit<Outlook, "options"> {
	readonly chainId: ChainId;
	readonly options: readonly RecoveryOptionView[];
}

/** What would be done. */
export interface RecoveryDryRunView {
	readonly dryRun: true;
	readonly kind: RecoveryKind;
	readonly plan: RecoveryPlanView;
}

export interface RecoveryService {
	/** What is possible for the chain now, and a page of what was done, the newest first. */
	recoveries(
		chain: string,
		query: {
			readonly limit: number;
			readonly cursor: string | undefined;
			readonly singleProvider: boolean;
		},
	): Promise<{ readonly outlook: OutlookView } & Page<RecoveryView>>;
	/** Throws `not_found`. */
	recovery(chain: string, recoveryId: string): Promise<RecoveryView>;
	/** Throws `recovery_impossible` and `recovery_exhausted`. */
	planRecovery(
		chain: string,
		kind: RecoveryKind,
		asked: RecoveryAsked,
	): Promise<RecoveryDryRunView>;
	/** Throws the same, and `chain_busy`. Answers when it is recorded. */
	recover(chain: string, kind: RecoveryKind, asked: RecoveryAsked): Promise<RecoveryView>;
}

export interface RecoveriesOptions {
	readonly recoverer: Recoverer;
	/** Throws `unknown_chain`. */
	readonly chainId: (chain: string) => ChainId;
	/** One was recorded: whoever follows the chain in this process may begin at once. */
	readonly due: (chainId: ChainId) => void;
}

export class Recoveries implements RecoveryService {
	readonly #options: RecoveriesOptions;

	constructor(options: RecoveriesOptions) {
		this.#options = options;
	}

	async recoveries(
		chain: string,
		{ limit, cursor, singleProvider }: Parameters<RecoveryService["recoveries"]>[1],
	) {
		const { recoverer, chainId } = this.#options;
		const id = chainId(chain);
		const after = cursor === undefined ? undefined : idOfCursor(cursor);
		const { options, ...rest } = await recoverer.outlook(id, {
			singleProvider,
			snapshotId: undefined,
		});
		const found = await recoverer.store.list(id, { after, limit: limit + 1 });
		const page = found.slice(0, limit);
		const last = found.length > limit ? page.at(-1) : undefined;
		const { halt, attemptsLeft, evidence } = rest;
		return {
			outlook: { chainId: id, halt, attemptsLeft, evidence, options: options.map(optionView) },
			items: page.map(recoveryView),
			cursor: last && encodeCursor({ r: last.recoveryId }),
		};
	}

	async recovery(chain: string, recoveryId: string): Promise<RecoveryView> {
		const id = this.#options.chainId(chain);
		const found = await this.#options.recoverer.store.load(id, recoveryId);
		if (found !== undefined) return recoveryView(found);
		throw new FatalError("not_found", {
			message: `chain ${id} has no recovery ${recoveryId}`,
			hint: "see the chain's recoveries",
			fields: { recoveryId },
		});
	}

	async planRecovery(
		chain: string,
		kind: RecoveryKind,
		asked: RecoveryAsked,
	): Promise<RecoveryDryRunView> {
		const id = this.#options.chainId(chain);
		const plan = await this.#options.recoverer.plan(id, kind, asked);
		return { dryRun: true, kind, plan: planView(plan) };
	}

	async recover(chain: string, kind: RecoveryKind, asked: RecoveryAsked): Promise<RecoveryView> {
		const id = this.#options.chainId(chain);
		const begun = await this.#options.recoverer.begin(id, kind, asked);
		this.#options.due(id);
		return recoveryView(begun);
	}
}

function recoveryView({ recoveryId, ...recovery }: Recovery): RecoveryView {
	return { id: recoveryId, ...recovery };
}

function optionView({ plan, ...option }: RecoveryOption): RecoveryOptionView {
	return { ...option, plan: plan && planView(plan) };
}

function planView({ snapshot, ...plan }: RecoveryPlan): RecoveryPlanView {
	if (snapshot === undefined) return { ...plan, snapshot: undefined };
	const { snapshotId: id, ...offer } = snapshot;
	return { ...plan, snapshot: { id, ...offer } };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function idOfCursor(cursor: string): string {
	const { r } = decodeCursor(cursor, ["r"]);
	if (!UUID.test(r)) throw cursorInvalid();
	return r;
}
