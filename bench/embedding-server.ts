/**
 * An OpenAI-compatible endpoint in a process of its own, which takes as long for a request as a remote one and
 * next to no processor: vectors are made in advance, and a text's hash says which is its. Its one argument is
 * the milliseconds of a request. Says `listening {base URL}`.
 */
import { hash } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { embedText } from "../src/vectors/hashing-embedder.ts";

const VECTORS = 64;
const DIGITS = 6;
const delayMs = Number(process.argv[2]);
const vectors = Array.from({ length: VECTORS }, (_, index) =>
	JSON.stringify([...embedText(`vector ${index}`)].map((value) => Number(value.toFixed(DIGITS)))),
);

const server = createServer((request, response) => {
	const chunks: Buffer[] = [];
	request.on("data", (chunk: Buffer) => chunks.push(chunk));
	request.on("end", () => {
		setTimeout(() => answer(Buffer.concat(chunks).toString(), response), delayMs);
	});
});
server.listen(0, "127.0.0.1", () => {
	console.info(`listening http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`);
});

function answer(body: string, response: ServerResponse): void {
	const { input } = JSON.parse(body) as { readonly input: readonly string[] };
	const items = input.map(
		(text, index) => `{"object":"embedding","index":${index},"embedding":${vectorOf(text)}}`,
	);
	response.writeHead(200, { "content-type": "application/json" });
	response.end(`{"object":"list","model":"bench","data":[${items.join(",")}]}`);
}

function vectorOf(text: string): string {
	return vectors[hash("sha256", text, "buffer").readUInt8(0) % VECTORS] ?? "[]";
}
