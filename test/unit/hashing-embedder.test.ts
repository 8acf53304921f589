import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { cosineSimilarity } from "../../src/ranking/exact-scan.ts";
import { createHashingEmbedder, embedText } from "../../src/vectors/hashing-embedder.ts";

function digestOf(text: string): string {
	const { buffer } = embedText(text);
	return createHash("sha256").update(new Uint8Array(buffer)).digest("hex").slice(0, 16);
}

function lengthOf(vector: Float32Array): number {
	return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
}

const similarity = (left: string, right: string) =>
	cosineSimilarity(embedText(left), embedText(right)) ?? Number.NaN;

/** That many hexadecimal digits, the same for the same number. */
function hexOf(number: number, digits: number): string {
	return createHash("sha256").update(String(number)).digest("hex").slice(0, digits);
}

describe("the hashing embedder", () => {
	it("names itself and its dimensions, and embeds in order", async () => {
		const embedder = createHashingEmbedder();
		expect([embedder.model, embedder.dimensions]).toEqual(["recant-hash-v1", 384]);
		const vectors = await embedder.embed(["first", "", "first"]);
		expect(vectors).toEqual([embedText("first"), embedText(""), embedText("first")]);
	});

	it("answers a batch that takes several turns of the event loop whole", async () => {
		const texts = Array.from({ length: 12 }, (_, index) => `${index} `.repeat(10_000));
		const vectors = await createHashingEmbedder().embed(texts);
		expect(vectors).toEqual(texts.map(embedText));
	});

	// Stored vectors were made by this recipe: if a digest here changes, the model's name must too.
	it.each([
		["", "f287c974715b8b28"],
		["The agent remembers that the pool was drained.", "adb4701bc4f836e3"],
		["Überweisung von 5 € an 東京 — ﬁnal", "9bee05082d2b555e"],
		["0xdac17f958d2ee523a2206206994597c13d831ec7 sent 12 tokens, 12 times", "28a31e6c9f26105e"],
	])("keeps the bytes of %j", (text, digest) => {
		expect(digestOf(text)).toBe(digest);
	});

	it.each([
		["nothing", ""],
		["no word", " \t—!?… "],
		["a lone surrogate", "\ud800"],
		["a NUL", "\0"],
		["one letter", "a"],
		["one long word", "x".repeat(32_768)],
		["many words", "word ".repeat(6_500)],
		["emoji", "🦀🦀🦀"],
	])("gives a unit vector without NaN for %s", (_, text) => {
		const vector = embedText(text);
		expect(vector).toHaveLength(384);
		expect(lengthOf(vector)).toBeCloseTo(1, 5);
	});

	it("takes all texts without a word for the same, and for like nothing else", () => {
		expect(embedText("…")).toEqual(embedText(""));
		expect(Math.abs(similarity("", "the balance of the treasury"))).toBeLessThan(0.5);
	});

	it("does not tell apart what NFKC and lower case make equal", () => {
		expect(embedText("ＦＩＮＡＬ Ünïcode ﬁle")).toEqual(
			embedText("final u\u0308ni\u0308code file"),
		);
		expect(embedText("0xDEADBEEF")).toEqual(embedText("0xdeadbeef"));
	});

	it("does not see the order of words nor what stands between them", () => {
		expect(embedText("alpha, beta; gamma")).toEqual(embedText("gamma beta\nalpha"));
	});

	it("ranks the same words over parts of words over other words", () => {
		const same = similarity("the vault was drained", "the vault was drained today");
		const parts = similarity("the vault was drained", "vaults draining");
		const other = similarity("the vault was drained", "quarterly yields improved");
		expect(same).toBeGreaterThan(parts);
		expect(parts).toBeGreaterThan(other + 0.05);
	});

	it("weighs a repeated word less than in proportion", () => {
		const once = similarity("swap", "swap liquidity");
		const often = similarity("swap", "swap swap swap swap liquidity");
		expect(often).toBeGreaterThan(once);
		expect(similarity("liquidity", "swap swap swap swap liquidity")).toBeGreaterThan(0.3);
	});

	it("finds the one sentence in 500 that names an address, and a hash", () => {
		const sentence = (n: number) =>
			`Transfer of ${n * 17} TKN from 0x${hexOf(n, 40)} to 0x${hexOf(n + 1_000, 40)} by 0x${hexOf(n + 2_000, 64)}`;
		const vectors = Array.from({ length: 500 }, (_, n) => embedText(sentence(n)));
		const nearest = (query: string) => {
			const wanted = embedText(query);
			const found = vectors.map((vector) => cosineSimilarity(vector, wanted) ?? -1);
			return found.indexOf(Math.max(...found));
		};
		const asked = Array.from({ length: 50 }, (_, n) => n * 10);
		const byAddress = asked.filter((n) => nearest(`0x${hexOf(n + 1_000, 40)}`) === n);
		const byHash = asked.filter((n) => nearest(`what did 0x${hexOf(n + 2_000, 64)} do`) === n);
		expect(byAddress.length).toBeGreaterThanOrEqual(48);
		expect(byHash.length).toBeGreaterThanOrEqual(48);
	});
});
