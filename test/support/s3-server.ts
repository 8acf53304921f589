import S3rver from "s3rver";
import { atTestEnd } from "./test-end.ts";

/** The server's own key and secret; it takes no others. */
export const S3_KEY = "S3RVER";
export const S3_BUCKET = "snapshots";

export interface S3Server {
	readonly endpoint: string;
	readonly port: number;
	close(): Promise<void>;
}

/** An S3-compatible store over a directory, with one bucket; closed when the running test is over. */
export async function startS3(directory: string, port = 0): Promise<S3Server> {
	const server = new S3rver({
		address: "127.0.0.1",
		port,
		silent: true,
		directory,
		configureBuckets: [{ name: S3_BUCKET }],
	});
	const { port: bound } = await server.run();
	let closing: Promise<void> | undefined;
	const close = () => {
		closing ??= server.close();
		return closing;
	};
	atTestEnd(close);
	return { endpoint: `http://127.0.0.1:${bound}`, port: bound, close };
}
