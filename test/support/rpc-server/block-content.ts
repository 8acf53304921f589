/**
 * What blocks of a tree hold: ERC-20 transfers between a few accounts, and logs of a contract that
 * nobody follows. All of it follows from the seed, so that nothing needs to be kept.
 */
import { hash } from "node:crypto";
import type { Hex } from "../../../src/domain/ids.ts";
import { Random } from "../random.ts";

/** Transfer(address,address,uint256) */
const TRANSFER: Hex = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
/** Emits events of the same signature, and no handler is for it. */
const OTHER_CONTRACT: Hex = `0x${"0b".repeat(20)}`;

export interface TreeLog {
	readonly address: Hex;
	readonly topics: readonly Hex[];
	readonly data: Hex;
}

export interface TreeTransaction {
	readonly hash: Hex;
	readonly logs: readonly TreeLog[];
}

export interface ContentOptions {
	readonly seed: number;
	readonly token: Hex;
	readonly holders: number;
	readonly transactions: (height: number, random: Random) => number;
	/** Transfers of one transaction; undefined: one or, now and then, two, and other contracts' logs. */
	readonly transfers: number | undefined;
}

/** The transaction of a key is the same in whatever block it is. */
export class ContentMaker {
	readonly #options: ContentOptions;
	readonly #accounts: readonly Hex[];

	constructor(options: ContentOptions) {
		this.#options = options;
		this.#accounts = Array.from(
			{ length: options.holders },
			(_, index): Hex => `0x${digest(`account ${index}`).slice(0, 40)}`,
		);
	}

	/** Draws of one block of one branch. */
	random(branch: number, height: number): Random {
		return this.#random(`${branch}:${height}`);
	}

	count(height: number, random: Random): number {
		return this.#options.transactions(height, random);
	}

	transaction(key: string): TreeTransaction {
		const { seed, transfers } = this.#options;
		const random = this.#random(`transaction ${key}`);
		const hash: Hex = `0x${digest(`${seed} ${key}`)}`;
		const logs = Array.from({ length: transfers ?? 1 }, () => this.#transfer(random));
		if (transfers !== undefined) return { hash, logs };
		if (random.chance(0.1)) logs.push(this.#transfer(random));
		if (random.chance(0.1)) logs.unshift({ ...this.#transfer(random), address: OTHER_CONTRACT });
		return { hash, logs };
	}

	#transfer(random: Random): TreeLog {
		const [from, to] = [random.oneOf(this.#accounts), random.oneOf(this.#accounts)];
		return {
			address: this.#options.token,
			topics: [TRANSFER, topic(from), topic(to)],
			data: `0x${random.between(0, 1_000_000).toString(16).padStart(64, "0")}`,
		};
	}

	#random(key: string): Random {
		return new Random(Number.parseInt(digest(`${this.#options.seed} ${key}`).slice(0, 8), 16));
	}
}

function topic(address: Hex): Hex {
	return `0x${address.slice(2).padStart(64, "0")}`;
}

/** 64 digits. */
function digest(text: string): string {
	return hash("sha256", text);
}
