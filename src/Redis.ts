/**
 * Tokens for a fleet: processes on many machines that share credentials through Redis, and renew once.
 *
 * Use it where a file cannot be shared; on one machine `TokenStore.layerFile` needs no server. Needs the package `ioredis`, unless a client is given.
 *
 * @example
 * ```ts
 * import * as Redis from "effect-credentials/Redis"
 * import * as TokenStore from "effect-credentials/TokenStore"
 * import { Effect, Redacted } from "effect"
 *
 * const StoreLive = Redis.layer({ url: Redacted.make("redis://127.0.0.1:1"), timeLimit: "200 millis" })
 * const program = Effect.flatMap(TokenStore.TokenStore, (store) => store.list).pipe(Effect.provide(StoreLive))
 * Effect.runPromise(Effect.flip(program)).then((error) => console.log(error.reason))
 * // Unavailable
 * ```
 *
 * @module
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { TokenStoreError } from "./CredentialsError.ts"
import * as Encryption from "./internal/encryption.ts"
import * as Form from "./internal/form.ts"
import { own } from "./internal/own.ts"
import * as Record from "./internal/record.ts"
import * as Internal from "./internal/redis.ts"
import * as Text from "./internal/text.ts"
import * as TextStore from "./internal/textStore.ts"
import * as Token from "./Token.ts"
import { type EncryptionKey, TokenStore } from "./TokenStore.ts"

/**
 * What is used of a Redis client: a `Redis` or a `Cluster` of ioredis is one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Client extends Internal.Client {}

/**
 * Which Redis, and how tokens are kept there.
 *
 * @category models
 * @since 0.1.0
 */
export type Options<E = never, R = never> = {
  /** What the names of all keys begin with, in braces; those who share tokens have the same. Default: `"effect-credentials"`. */
  readonly prefix?: string | undefined
  /**
   * How long the lock outlives its last renewal: a holder that dies blocks the others for that long. It is renewed every third of it. At least 100
   * milliseconds. Default: 30 seconds, which is longer than one attempt at a token endpoint.
   */
  readonly lease?: Duration.DurationInput | undefined
  /** How long to wait for another who is renewing the same token. Default: 35 seconds. */
  readonly lockTimeout?: Duration.DurationInput | undefined
  /** How long Redis may take to answer, attempts to reach it included. Default: 5 seconds. */
  readonly timeLimit?: Duration.DurationInput | undefined
  /** How long a token is kept after it was stored. It must not be less than its refresh token lives. Default: for ever. */
  readonly timeToLive?: Duration.DurationInput | undefined
  /** What encrypts the tokens, or an Effect of it, as in `TokenStore.layerEncryptedFile`. Default: they lie there in the clear. */
  readonly encryption?: EncryptionKey | Effect.Effect<EncryptionKey, E, R> | undefined
} & (
  | {
      /** `redis://` or `rediss://` (TLS), with user and password if Redis wants them: `rediss://user:password@host:6379/0`. */
      readonly url: string | Redacted.Redacted
    }
  | {
      /** A client of your own, for everything that a URL cannot say. It is left open. A second connection is made of it by `duplicate`. */
      readonly client: Client
    }
)

const unopened = (description: string): TokenStoreError =>
  new TokenStoreError({ operation: "open", key: "", reason: "Unavailable", description })

const tokens = /* @__PURE__ */ Record.codec(Token.Token, { resemble: Token.isSame })

interface Connection {
  readonly client: Client
  readonly lastError: () => unknown
}

/** Nothing is sent before it is needed: a Redis that is down keeps no program from starting. */
const connect = (url: string, timeLimit: number): Effect.Effect<Connection, TokenStoreError, Scope.Scope> =>
  Effect.gen(function* () {
    if (!URL.canParse(url) || !/^rediss?:$/.test(new URL(url).protocol) || new URL(url).hostname === "") {
      return yield* unopened("the option url must be redis://host:port or rediss://host:port")
    }
    const { Redis } = yield* Effect.tryPromise({
      try: () => import("ioredis"),
      catch: () => unopened("the package ioredis is needed: npm install ioredis@5, or give a client")
    })
    let lastError: unknown
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const client = new Redis(url, {
          lazyConnect: true,
          connectTimeout: timeLimit,
          // A connection that died unnoticed is made anew.
          socketTimeout: Math.ceil(timeLimit / 4),
          keepAlive: 10_000,
          maxRetriesPerRequest: 3,
          retryStrategy: (count) => Math.min(50 * count, 500),
          // After a failover the address leads to another one.
          reconnectOnError: (error) => error.message.startsWith("READONLY")
        })
        client.on("error", (error) => (lastError = error))
        client.on("ready", () => (lastError = undefined))
        return client
      }),
      (client) => Effect.sync(() => client.disconnect())
    )
    return { client, lastError: () => lastError }
  })

/**
 * A store in Redis: of all who share it one renews, and the others have the new token at once.
 *
 * **Details** – a lock is a key with a random value that expires; its holder renews it, and gives back only what is still his. Whoever was stopped for longer
 * than the `lease` finds that out before a refresh token is sent, and starts again with what others have stored; and nothing is written unless the
 * lock is still held and what was read is still there. Who waits is woken by a message. What cannot be read as a token is set aside under another key,
 * said once (`Corrupt`), and then gone. Redis 6 or newer, one server, a replicated one or a cluster.
 *
 * **Gotchas** – a request that is on its way when its process is stopped cannot be called back. A failover can lose what was written last: Redis replicates
 * after it has answered. Then a renewal may be refused, and the token is read again; a refresh token that was lost that way means another login.
 * Tokens lie there in the clear unless `encryption` is given. The layer does not connect; operations fail with `Unavailable`, and what to do.
 *
 * @example
 * ```ts
 * import * as Redis from "effect-credentials/Redis"
 * import * as TokenStore from "effect-credentials/TokenStore"
 * import { Effect } from "effect"
 *
 * const program = Effect.flatMap(TokenStore.TokenStore, (store) => store.get("me"))
 * const StoreLive = Redis.layer({ url: "http://localhost" })
 * Effect.runPromise(Effect.flip(program.pipe(Effect.provide(StoreLive)))).then((error) => console.log(error.message))
 * // token store, open: Unavailable, the option url must be redis://host:port or rediss://host:port
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E = never, R = never>(
  options: Options<E, R>
): Layer.Layer<TokenStore, TokenStoreError | E, R> => {
  const mine = own(options)
  return Layer.scoped(
    TokenStore,
    Effect.gen(function* () {
      const { encryption, prefix = "effect-credentials" } = mine
      const millis = (name: string, given: Duration.DurationInput, least: number) => {
        const duration = Duration.toMillis(given)
        return duration >= least && Number.isSafeInteger(Math.round(duration))
          ? Effect.succeed(Math.round(duration))
          : Effect.fail(unopened(`the option ${name} must be at least ${least} milliseconds`))
      }
      if (Text.isBlank(prefix) || !Text.isPlain(prefix) || /[{}]/.test(prefix)) {
        return yield* unopened("the option prefix must be a text without braces and control characters")
      }
      const lease = yield* millis("lease", mine.lease ?? "30 seconds", 100)
      const timeLimit = yield* millis("timeLimit", mine.timeLimit ?? "5 seconds", 1)
      const timeToLive = mine.timeToLive === undefined ? undefined : yield* millis("timeToLive", mine.timeToLive, 1)
      const connection: Connection =
        "client" in mine
          ? { client: mine.client, lastError: () => undefined }
          : yield* connect(Redacted.isRedacted(mine.url) ? Redacted.value(mine.url) : mine.url, timeLimit)
      const { lock, texts } = yield* Internal.make({ ...connection, prefix, lease, timeLimit, timeToLive })
      const key = Effect.isEffect(encryption) ? yield* encryption : encryption
      const form =
        key === undefined
          ? Form.plain(tokens)
          : Form.sealed(tokens, yield* Effect.mapError(Encryption.make(key), unopened), TextStore.someOf(texts))
      return yield* TextStore.make({
        texts,
        form,
        lock: Effect.succeed(lock),
        lockTimeout: Duration.decode(mine.lockTimeout ?? "35 seconds"),
        error: (operation, key, { description, reason }) => new TokenStoreError({ operation, key, reason, description })
      })
    })
  )
}
