/**
 * Where tokens outlive the credentials that obtained them.
 *
 * `Provider.persisted` uses it: who holds a credential's lock reads the token again before spending its refresh token, so that
 * those who share a store renew once.
 * {@link layerFile} is the store of command-line tools and agents, {@link layerEncryptedFile} the same with encryption, {@link layerMemory} the one of
 * tests and of a single process.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as Provider from "effect-credentials/Provider"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import * as TokenStore from "effect-credentials/TokenStore"
 * import { Effect, Layer, Redacted } from "effect"
 *
 * const provider = StaticToken.make({ token: Redacted.make("s3cret") }).pipe(Provider.persisted("me"))
 * const CredentialsLive = Layer.provide(Credentials.layer(provider), TokenStore.layerMemory())
 * const program = Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token)
 * Effect.runPromise(program.pipe(Effect.provide(CredentialsLive))).then((token) => console.log(token.tokenType))
 * // bearer
 * ```
 *
 * @module
 */
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { TokenStoreError } from "./CredentialsError.ts"
import * as Disk from "./internal/disk.ts"
import * as Encryption from "./internal/encryption.ts"
import * as TextStore from "./internal/textStore.ts"
import * as Form from "./internal/form.ts"
import * as KeyValueTexts from "./internal/keyValueTexts.ts"
import * as Location from "./internal/location.ts"
import * as Lock from "./internal/lock.ts"
import * as Node from "./internal/node.ts"
import * as PrivateFile from "./internal/privateFile.ts"
import * as ProcessLock from "./internal/processLock.ts"
import * as Record from "./internal/record.ts"
import * as Tags from "./internal/tags.ts"
import * as Token from "./Token.ts"

/**
 * A place for tokens, one per key.
 *
 * @category models
 * @since 0.1.0
 */
export interface TokenStore {
  /** The token under a key. */
  readonly get: (key: string) => Effect.Effect<Option.Option<Token.Token>, TokenStoreError>
  /** Forgets the token under a key, once nobody holds its lock. Nothing there is fine. */
  readonly remove: (key: string) => Effect.Effect<void, TokenStoreError>
  /** All keys that hold a token. */
  readonly list: Effect.Effect<ReadonlyArray<string>, TokenStoreError>
  /**
   * The only way to write: takes the key's lock, reads, runs `f` with what is stored and stores what it returns, before anybody sees it; none removes
   * what is there. Waiting for the lock and `f` can be interrupted; from the end of `f` to the completed write nothing can. If `f` fails, or
   * returns what it was given, nothing is written. Fails with `Conflict` rather than overwrite what somebody else has stored meanwhile.
   */
  readonly transaction: <E, R>(
    key: string,
    f: (stored: Option.Option<Token.Token>) => Effect.Effect<Option.Option<Token.Token>, E, R>
  ) => Effect.Effect<Option.Option<Token.Token>, E | TokenStoreError, R>
  /**
   * The tokens that are stored under a key from now on, whoever stores them, each once and in their order. Of several within a moment it may be only the
   * last.
   */
  readonly changes: (key: string) => Stream.Stream<Token.Token>
}

/**
 * The token store of a program.
 *
 * @category tags
 * @since 0.1.0
 */
export const TokenStore: Context.Tag<TokenStore, TokenStore> = Tags.tokenStore

/**
 * A store in memory: for tests, and for several credentials of one process that share a login. Each call makes another store.
 *
 * @example
 * ```ts
 * import * as TokenStore from "effect-credentials/TokenStore"
 * import { Effect } from "effect"
 *
 * const program = Effect.flatMap(TokenStore.TokenStore, (store) => store.list)
 * console.log(Effect.runSync(program.pipe(Effect.provide(TokenStore.layerMemory()))))
 * // []
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (): Layer.Layer<TokenStore> =>
  Layer.effect(
    TokenStore,
    Effect.map(PubSub.sliding<readonly [key: string, token: Token.Token]>(256), (written): TokenStore => {
      const tokens = new Map<string, Token.Token>()
      const lockOf = Lock.keyed()
      const get = (key: string) => Effect.sync(() => Option.fromNullable(tokens.get(key)))
      return {
        get,
        remove: (key) => lockOf(key)(Effect.sync(() => tokens.delete(key))),
        list: Effect.sync(() => Array.from(tokens.keys())),
        transaction: (key, f) =>
          lockOf(key)(
            Effect.uninterruptibleMask((restore) =>
              Effect.flatMap(get(key), (stored) =>
                Effect.tap(restore(f(stored)), (after) => {
                  if (Option.isNone(after)) return Effect.sync(() => tokens.delete(key))
                  if (Option.contains(stored, after.value)) return Effect.void
                  // Whoever holds it must not change what is stored.
                  const token = Object.freeze(
                    Token.make({ ...after.value, scope: Object.freeze([...after.value.scope]) })
                  )
                  tokens.set(key, token)
                  return PubSub.publish(written, [key, token] as const)
                })
              )
            )
          ),
        changes: (key) =>
          Stream.filterMap(Stream.fromPubSub(written), ([where, token]) =>
            where === key ? Option.some(token) : Option.none()
          )
      }
    })
  )

/**
 * How files are kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface FileOptions {
  /**
   * The directory, which is for nothing else: it is made private. An absolute path. Default: `$EFFECT_CREDENTIALS_STORE`; else `effect-credentials` in `$XDG_STATE_HOME` or `~/.local/state`, on macOS in
   * `~/Library/Application Support`, on Windows in `%LOCALAPPDATA%`.
   */
  readonly directory?: string | undefined
  /**
   * What to do with a directory or file that others may read: make it private (`"repair"`, the default) or refuse it. What belongs to somebody else, is a
   * symbolic link, or may be written to by others is always refused.
   */
  readonly permissions?: "repair" | "refuse" | undefined
  /** How long to wait for another who is renewing the same token. Default: 35 seconds, which is longer than a renewal may take. */
  readonly lockTimeout?: Duration.DurationInput | undefined
}

const tokens = /* @__PURE__ */ Record.codec(Token.Token, { resemble: Token.isSame })

const unopened = (description: string): TokenStoreError =>
  new TokenStoreError({ operation: "open", key: "", reason: "Unavailable", description })

const files = <E, R>(
  options: FileOptions,
  form: (files: PrivateFile.PrivateFiles) => Effect.Effect<Form.Form<Token.Token>, TokenStoreError | E, R>
): Layer.Layer<TokenStore, TokenStoreError | E, R> =>
  Layer.scoped(
    TokenStore,
    Effect.gen(function* () {
      const place = Location.directory(Location.state, options.directory, Node.platform(), Node.environment())
      const directory = yield* Effect.mapError(place, unopened)
      const files = PrivateFile.make(
        yield* Effect.mapError(Disk.of(directory, "files"), unopened),
        directory,
        options.permissions
      )
      return yield* TextStore.make({
        texts: files,
        form: yield* form(files),
        lock: ProcessLock.make(directory),
        lockTimeout: Duration.decode(options.lockTimeout ?? "35 seconds"),
        error: (operation, key, { description, reason }) => new TokenStoreError({ operation, key, reason, description })
      })
    })
  )

/**
 * A store of one file per key, for the programs of one user: they find each other's tokens, and renew once.
 *
 * **Details** – the directory (mode 0700) is made when the first token is stored. A file (mode 0600) is replaced as a whole, durably, and only
 * by who holds the key's lock, which ends with its process. What cannot be read as a token is set aside in the same directory, said once
 * (`Corrupt`) and then gone; what a newer version of this library wrote is refused and kept (`NewerVersion`). Works on Node, Bun and Deno.
 *
 * **Gotchas** – tokens lie on the disk in the clear, as those of most command-line tools do: {@link layerEncryptedFile} encrypts them. Who cannot
 * write there gets an error from the operation, not from the layer; the layer fails only if there is no place for a directory.
 *
 * @example
 * ```ts
 * import * as TokenStore from "effect-credentials/TokenStore"
 * import { Effect } from "effect"
 *
 * const program = Effect.flatMap(TokenStore.TokenStore, (store) => store.get("me"))
 * const StoreLive = TokenStore.layerFile({ directory: "/nonexistent/effect-credentials" })
 * Effect.runPromise(program.pipe(Effect.provide(StoreLive))).then((token) => console.log(token._tag))
 * // None
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFile = (options: FileOptions = {}): Layer.Layer<TokenStore, TokenStoreError> =>
  files(options, () => Effect.succeed(Form.plain(tokens)))

/**
 * What encrypts: 32 random bytes, or a passphrase that somebody remembers.
 *
 * **Details** – a passphrase (in Unicode form NFC) becomes a key by PBKDF2 with HMAC-SHA-256, 600,000 iterations and a random salt of 16 bytes, once per
 * store: that takes some tenths of a second.
 *
 * @category models
 * @since 0.1.0
 */
export type EncryptionKey = Redacted.Redacted<Uint8Array> | { readonly passphrase: Redacted.Redacted }

/**
 * How encrypted files are kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface EncryptedFileOptions<E = never, R = never> extends FileOptions {
  /** What encrypts, or an Effect of it, which is run while the layer is built: something that asks for a passphrase, or a key ring. */
  readonly key: EncryptionKey | Effect.Effect<EncryptionKey, E, R>
}

/**
 * The store of {@link layerFile} with every file encrypted: whoever copies the disk cannot use the tokens.
 *
 * **Details** – a file is a compact JWE (RFC 7516; `dir`, `A256GCM`). What was changed in it, cut off, or put in the place of another key's file is found out.
 * Only the number of tokens, their size and their age can be seen.
 *
 * **Gotchas** – what cannot be decrypted is refused (`Permissions`) and kept, because it may be the key that is wrong; `remove` removes it. A
 * key that cannot be one makes the layer fail, as does the Effect that it comes from.
 *
 * A token of {@link layerFile} that is found under a key is not believed, because whoever can write there may have put it there: it is removed, said once (`Corrupt`),
 * and somebody has to log in again. What lies in the same directory under keys that nobody asks for stays as it is.
 *
 * @example
 * ```ts
 * import * as TokenStore from "effect-credentials/TokenStore"
 * import { Effect, Redacted } from "effect"
 *
 * const program = Effect.flatMap(TokenStore.TokenStore, (store) => store.list)
 * const StoreLive = TokenStore.layerEncryptedFile({ key: Redacted.make(new Uint8Array(16)), directory: "/nonexistent" })
 * Effect.runPromise(Effect.flip(program.pipe(Effect.provide(StoreLive)))).then((error) => console.log(error.message))
 * // token store, open: Unavailable, the key must be 32 bytes
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc7516>
 * @category layers
 * @since 0.1.0
 */
export const layerEncryptedFile = <E = never, R = never>(
  options: EncryptedFileOptions<E, R>
): Layer.Layer<TokenStore, TokenStoreError | E, R> =>
  files(options, (files) =>
    Effect.gen(function* () {
      const key = Effect.isEffect(options.key) ? yield* options.key : options.key
      const seal = yield* Effect.mapError(Encryption.make(key), unopened)
      return Form.sealed(tokens, seal, TextStore.someOf(files))
    })
  )

/**
 * A store in any `KeyValueStore` of the platform: the browser's local storage, or what a program has already.
 *
 * **Details** – its keys begin with `effect-credentials.` and are good for every store. What cannot be read as a token is set aside, as by {@link layerFile}.
 *
 * **Gotchas** – a key-value store has no locks: the programs, tabs or machines that share one do not take turns, and may spend a refresh token twice. Within one
 * program they do, if they use the same `KeyValueStore`. Tokens lie there in the clear, as safe as the store is: `KeyValueStore.layerFileSystem` makes files that
 * everybody can read.
 *
 * @example
 * ```ts
 * import * as TokenStore from "effect-credentials/TokenStore"
 * import { KeyValueStore } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const StoreLive = Layer.provide(TokenStore.layerKeyValueStore(), KeyValueStore.layerMemory)
 * const program = Effect.flatMap(TokenStore.TokenStore, (store) => store.list)
 * Effect.runPromise(program.pipe(Effect.provide(StoreLive))).then((keys) => console.log(keys))
 * // []
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerKeyValueStore = (
  options: {
    /** How long to wait for another in this program who is renewing the same token. Default: 35 seconds. */
    readonly lockTimeout?: Duration.DurationInput | undefined
  } = {}
): Layer.Layer<TokenStore, never, KeyValueStore.KeyValueStore> =>
  Layer.scoped(
    TokenStore,
    Effect.flatMap(KeyValueStore.KeyValueStore, (store) => {
      const { lock, written } = KeyValueTexts.sharedBy(store)
      return TextStore.make({
        texts: KeyValueTexts.make(KeyValueTexts.keepIn(store), lock, written),
        form: Form.plain(tokens),
        lock: Effect.succeed(lock),
        lockTimeout: Duration.decode(options.lockTimeout ?? "35 seconds"),
        error: (operation, key, { description, reason }) => new TokenStoreError({ operation, key, reason, description })
      })
    })
  )
