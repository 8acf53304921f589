/** Hears of commits as any client of the event stream does, and notes when. */
import type { Hex } from "viem";
import type { JsonObject } from "../src/domain/operation.ts";
import type { RecantService } from "../src/service/recant-service.ts";

export interface Seen {
	readonly atMs: number;
	/** Decimal. */
	readonly height: string;
}

export class CommitWatch {
	readonly #ending = new AbortController();
	readonly #seen = new Map<string, Seen>();
	readonly #waiting = new Map<string, (seen: Seen) => void>();
	readonly #running: Promise<void>;
	#stageMs: Readonly<Record<string, number>> = {};

	constructor(service: RecantService, chain: string) {
		this.#running = this.#follow(service, chain);
	}

	/** Resolves when that block was committed, at once if it has been. */
	async committed(hash: Hex): Promise<Seen> {
		const seen = this.#seen.get(hash);
		if (seen !== undefined) return seen;
		return new Promise((resolve) => this.#waiting.set(hash, resolve));
	}

	/** Stages of the last rollback, its commit among them; they come just after the commit. */
	get stageMs(): Readonly<Record<string, number>> {
		return this.#stageMs;
	}

	async stop(): Promise<void> {
		this.#ending.abort();
		await this.#running;
	}

	async #follow(service: RecantService, chain: string): Promise<void> {
		const types = ["block", "rollback_progress"];
		const query = { after: undefined, chains: [chain], types };
		for await (const event of service.events(query, this.#ending.signal)) {
			if (event.type === "block") this.#note(event.data);
			else if (isOver(event.data)) this.#stageMs = stagesOf(event.data);
		}
	}

	#note(block: JsonObject): void {
		const hash = String(block["hash"]);
		const seen = { atMs: performance.now(), height: String(block["height"]) };
		this.#seen.set(hash, seen);
		this.#waiting.get(hash)?.(seen);
		this.#waiting.delete(hash);
	}
}

function isOver(progress: JsonObject): boolean {
	return progress["stage"] === "commit" && progress["done"] === progress["total"];
}

function stagesOf(progress: JsonObject): Readonly<Record<string, number>> {
	return progress["stageMs"] as Readonly<Record<string, number>>;
}
