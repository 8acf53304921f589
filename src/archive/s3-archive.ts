/**
 * An archive in an S3-compatible object store. A put is atomic and durable there; the content is
 * checked by the names of chunks and manifests, so no checksum of the store's own is needed.
 */
import {
	DeleteObjectCommand,
	GetObjectCommand,
	HeadObjectCommand,
	PutObjectCommand,
	S3Client,
	S3ServiceException,
} from "@aws-sdk/client-s3";
import { FatalError, RecantError, RetryableError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { SnapshotArchive } from "../snapshots/snapshot-archive.ts";
import { chunkDamaged } from "../snapshots/snapshot-errors.ts";

export interface S3Settings {
	readonly bucket: string;
	/** Without slashes at its ends; empty: names stand at the top of the bucket. */
	readonly prefix: string;
	readonly region: string;
	/** Undefined: Amazon's own, by region. */
	readonly endpoint: string | undefined;
	/** Undefined: the library looks where Amazon's tools look. */
	readonly credentials:
		| {
				readonly accessKeyId: string;
				readonly secretAccessKey: string;
				readonly sessionToken: string | undefined;
		  }
		| undefined;
}

/** Tries of one request, by the library, with jitter between them. */
const ATTEMPTS = 4;
/** One request: a chunk of 4 MiB at 1 Mbit/s takes 34 s. */
const REQUEST_MS = 60_000;
const CONNECT_MS = 5_000;

/** Connects at the first call. */
export function openS3Archive(settings: S3Settings): SnapshotArchive {
	const { region, endpoint, credentials } = settings;
	const client = new S3Client({
		region,
		maxAttempts: ATTEMPTS,
		requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: REQUEST_MS },
		// Stores other than Amazon's do not all know the newer checksums.
		requestChecksumCalculation: "WHEN_REQUIRED",
		responseChecksumValidation: "WHEN_REQUIRED",
		// They do not all give each bucket a host name either.
		...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
		...(credentials === undefined ? {} : { credentials: credentialsOf(credentials) }),
	});
	return new S3Archive(client, settings);
}

class S3Archive implements SnapshotArchive {
	readonly place: string;
	readonly #client: S3Client;
	readonly #bucket: string;
	readonly #prefix: string;

	constructor(client: S3Client, { bucket, prefix }: S3Settings) {
		this.#client = client;
		this.#bucket = bucket;
		this.#prefix = prefix === "" ? "" : `${prefix}/`;
		this.place = `s3://${bucket}/${prefix}`;
	}

	async read(name: string, maxBytes: number): Promise<Uint8Array | undefined> {
		return this.#guarded("read", async () => {
			try {
				const { Body, ContentLength } = await this.#client.send(
					new GetObjectCommand(this.#object(name)),
				);
				if ((ContentLength ?? 0) > maxBytes) {
					throw chunkDamaged(name, `it has ${ContentLength} bytes, at most ${maxBytes}`);
				}
				return await Body?.transformToByteArray();
			} catch (error) {
				if (error instanceof S3ServiceException && error.name === "NoSuchKey") return undefined;
				throw error;
			}
		});
	}

	async has(name: string): Promise<boolean> {
		return this.#guarded("read", async () => {
			try {
				await this.#client.send(new HeadObjectCommand(this.#object(name)));
				return true;
			} catch (error) {
				if (!(error instanceof S3ServiceException) || error.name !== "NotFound") throw error;
			}
			// A HEAD's answer has no body: it says the same of a bucket that is not there.
			return (await this.read(name, LIMITS.chunkBytes)) !== undefined;
		});
	}

	async write(name: string, bytes: Uint8Array): Promise<void> {
		await this.#guarded("written", () =>
			this.#client.send(new PutObjectCommand({ ...this.#object(name), Body: bytes })),
		);
	}

	async remove(name: string): Promise<void> {
		await this.#guarded("removed", () =>
			this.#client.send(new DeleteObjectCommand(this.#object(name))),
		);
	}

	async close(): Promise<void> {
		this.#client.destroy();
	}

	#object(name: string): { readonly Bucket: string; readonly Key: string } {
		return { Bucket: this.#bucket, Key: `${this.#prefix}${name}` };
	}

	async #guarded<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
		try {
			return await work();
		} catch (error) {
			throw error instanceof RecantError ? error : failed(this.place, what, error);
		}
	}
}

function credentialsOf(given: NonNullable<S3Settings["credentials"]>) {
	const { sessionToken, ...keys } = given;
	return sessionToken === undefined ? keys : { ...keys, sessionToken };
}

/** 4xx says that we are refused, and trying again does not help; 408 and 429 are about time. */
function isRefused(error: unknown): boolean {
	if (!(error instanceof S3ServiceException)) return false;
	const status = error.$metadata.httpStatusCode ?? 500;
	return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

function failed(place: string, what: string, cause: unknown): RecantError {
	const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
	const message = `the archive ${place} could not be ${what}: ${reason}`;
	const fields = { place };
	if (isRefused(cause)) {
		const hint = "check RECANT_SNAPSHOTS, the AWS_* settings, and that the bucket exists";
		return new FatalError("configuration_invalid", { message, hint, fields, cause });
	}
	const hint = "check the object store; it is tried again";
	return new RetryableError("archive_unavailable", { message, hint, fields, cause });
}
