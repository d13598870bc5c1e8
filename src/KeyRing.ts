/**
 * Tokens in the key ring of the operating system: Secret Service (GNOME, KDE, KeePassXC), macOS Keychain, Windows Credential Manager.
 *
 * Use it for programs on a person's own machine. On servers there is none, and the layer says so: `Layer.orElse` goes on with another store. Needs the package
 * `@napi-rs/keyring`, unless a `ring` is given.
 *
 * @example
 * ```ts
 * import * as KeyRing from "effect-credentials/KeyRing"
 * import * as TokenStore from "effect-credentials/TokenStore"
 * import { Effect, Layer } from "effect"
 *
 * const none = { get: () => Promise.reject("no key ring"), set: async () => {}, remove: async () => {} }
 * const StoreLive = Layer.orElse(KeyRing.layer({ ring: none }), () => TokenStore.layerMemory())
 * const program = Effect.flatMap(TokenStore.TokenStore, (store) => store.list)
 * Effect.runPromise(program.pipe(Effect.provide(StoreLive))).then((keys) => console.log(keys))
 * // []
 * ```
 *
 * @module
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { TokenStoreError } from "./CredentialsError.ts"
import * as Disk from "./internal/disk.ts"
import * as Form from "./internal/form.ts"
import * as Internal from "./internal/keyRing.ts"
import * as KeyValueTexts from "./internal/keyValueTexts.ts"
import * as Location from "./internal/location.ts"
import * as Node from "./internal/node.ts"
import { own } from "./internal/own.ts"
import * as PrivateFile from "./internal/privateFile.ts"
import * as ProcessLock from "./internal/processLock.ts"
import * as Record from "./internal/record.ts"
import * as SessionBus from "./internal/sessionBus.ts"
import * as Text from "./internal/text.ts"
import * as TextStore from "./internal/textStore.ts"
import * as Token from "./Token.ts"
import { TokenStore } from "./TokenStore.ts"

/**
 * What is used of a key ring: a text of at most 1,200 characters per account.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ring extends Internal.Ring {}

/**
 * Which key ring, and how it is used.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** What the ring's entries are filed under; programs with the same one share tokens. Default: `"effect-credentials"`. */
  readonly service?: string | undefined
  /** How long the ring may take for one entry. Default: 5 seconds. */
  readonly timeLimit?: Duration.DurationInput | undefined
  /** How long to wait for another program that is renewing the same token. Default: 35 seconds. */
  readonly lockTimeout?: Duration.DurationInput | undefined
  /** Where programs take turns: the directory of `TokenStore.layerFile`, and the same default. No token is written there. */
  readonly directory?: string | undefined
  /** Another key ring than the system's. */
  readonly ring?: Ring | undefined
}

const tokens = /* @__PURE__ */ Record.codec(Token.Token, { resemble: Token.isSame })

const unopened = ({ description, reason }: TextStore.Failure): TokenStoreError =>
  new TokenStoreError({ operation: "open", key: "", reason, description })

const unavailable = (description: string): TextStore.Failure => ({ reason: "Unavailable", description })

const elsewhere = "use another store, such as TokenStore.layerEncryptedFile"

/** Asks nobody for a password: what is locked counts as not there. */
const unlocked: Effect.Effect<void, TextStore.Failure> = Effect.suspend(() =>
  Node.platform() === "linux"
    ? Effect.flatMap(SessionBus.state, (state) => {
        switch (state) {
          case "absent":
            return Effect.fail(
              unavailable(`there is no key ring here (no Secret Service on a session's D-Bus): ${elsewhere}`)
            )
          case "locked":
            return Effect.fail(unavailable(`the key ring is locked: unlock it, or ${elsewhere}`))
          default:
            return Effect.void
        }
      })
    : Effect.void
)

const systems = new Map<string, Ring>()

/** The system's own. On Linux the kernel's, which forgets everything when the machine is restarted, is not good enough. */
const systemRing = (service: string): Effect.Effect<Ring, TextStore.Failure> =>
  Effect.map(
    Effect.tryPromise({
      try: () => import("@napi-rs/keyring"),
      catch: () =>
        unavailable(
          "the package @napi-rs/keyring is needed, with its binary for this platform: npm install @napi-rs/keyring@2"
        )
    }),
    ({ AsyncEntry }) => {
      const entry = (account: string) => new AsyncEntry(service, account, { linux: { store: "secret-service" } })
      const ring: Ring = systems.get(service) ?? {
        get: async (account) => entry(account).getPassword(),
        set: async (account, text) => entry(account).setPassword(text),
        remove: async (account) => entry(account).deletePassword()
      }
      systems.set(service, ring)
      return ring
    }
  )

interface Opened {
  readonly ring: Ring
  readonly keep: KeyValueTexts.Keep
  /** Makes the place where programs take turns. */
  readonly ensure: Effect.Effect<void, TextStore.Failure>
  readonly lock: TextStore.TextLock
}

/** Fails with why there is no key ring that can be used. */
const open = (options: Options): Effect.Effect<Opened, TextStore.Failure> =>
  Effect.gen(function* () {
    const { directory: given, ring: another, service = "effect-credentials", timeLimit = "5 seconds" } = options
    if (Text.isBlank(service) || !Text.isPlain(service) || service.length > 100) {
      return yield* Effect.fail(unavailable("the option service must be a text of at most 100 characters"))
    }
    const check = another === undefined ? unlocked : Effect.void
    // First of all: the package must not be loaded for nothing.
    yield* check
    const ring = another ?? (yield* systemRing(service))
    const keep = Internal.make(Internal.entries({ ring, check, timeLimit: Duration.toMillis(timeLimit) }))
    // Harmless, and tells whether anything can be had.
    yield* keep.get("names")
    const place = Location.directory(Location.state, given, Node.platform(), Node.environment())
    const directory = yield* Effect.mapError(place, unavailable)
    const { ensure } = PrivateFile.make(yield* Effect.mapError(Disk.of(directory, "files"), unavailable), directory)
    const { withLock } = yield* ProcessLock.make(directory)
    return { ring, keep, ensure, lock: { withLock: (name, limit) => withLock(`ring.${name}`, limit) } }
  })

/**
 * A store in the key ring of the operating system, or a failure at once where there is none.
 *
 * **Details** – the layer fails with `Unavailable`, and says why, if there is no ring (a server, a container, no desktop session), it is locked, or it does not answer in
 * time; nobody is ever asked to unlock it on Linux. Entries have the hash of the key as their account; long tokens lie in several, replaced so that a program that is
 * killed leaves the old token or the new one. Programs take turns by a lock in `directory`, as those of `TokenStore.layerFile` do.
 *
 * **Gotchas** – a key ring tells nobody when it changes: other programs see a new token within 5 seconds, or when they want to renew. macOS asks the person the first
 * time when another program has made an entry; that counts as no answer in time.
 *
 * @example
 * ```ts
 * import * as KeyRing from "effect-credentials/KeyRing"
 * import { Effect, Layer } from "effect"
 *
 * const mute = { get: () => new Promise<never>(() => {}), set: async () => {}, remove: async () => {} }
 * const building = Layer.build(KeyRing.layer({ ring: mute, timeLimit: "10 millis" }))
 * Effect.runPromise(Effect.flip(Effect.scoped(building))).then((error) => console.log(error.reason))
 * // Unavailable
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<TokenStore, TokenStoreError> => {
  const mine = own(options)
  return Layer.scoped(
    TokenStore,
    Effect.gen(function* () {
      const { ensure, keep, lock, ring } = yield* Effect.mapError(open(mine), unopened)
      const texts = KeyValueTexts.make(keep, lock, KeyValueTexts.sharedBy(ring).written)
      return yield* TextStore.make({
        texts: { ...texts, ensure },
        form: Form.plain(tokens),
        lock: Effect.succeed(lock),
        lockTimeout: Duration.decode(mine.lockTimeout ?? "35 seconds"),
        error: (operation, key, { description, reason }) => new TokenStoreError({ operation, key, reason, description })
      })
    })
  )
}

const keyName = "encryption-key"

/**
 * A key of 32 random bytes that is kept in the key ring, made when it is asked for first: for `TokenStore.layerEncryptedFile`, whose files are then good for nothing
 * on another disk.
 *
 * **Details** – programs that ask at the same time get the same key. Fails as {@link layer} does where there is no ring, and with `Corrupt` if the
 * entry is no key: it is never replaced, because files may be encrypted with what it was.
 *
 * @example
 * ```ts
 * import * as KeyRing from "effect-credentials/KeyRing"
 * import * as TokenStore from "effect-credentials/TokenStore"
 * import { Layer } from "effect"
 *
 * const StoreLive = TokenStore.layerEncryptedFile({ key: KeyRing.encryptionKey({ service: "my-tool" }) })
 * console.log(Layer.isLayer(StoreLive))
 * // true
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const encryptionKey = (options: Options = {}): Effect.Effect<Redacted.Redacted<Uint8Array>, TokenStoreError> => {
  const mine = own(options)
  const read = (
    keep: KeyValueTexts.Keep
  ): Effect.Effect<Option.Option<Redacted.Redacted<Uint8Array>>, TextStore.Failure> =>
    Effect.flatMap(
      keep.get(keyName),
      Option.match({
        onNone: () => Effect.succeedNone,
        onSome: (text) =>
          Either.match(Encoding.decodeBase64Url(text), {
            onLeft: () => broken,
            onRight: (bytes) => (bytes.length === 32 ? Effect.succeedSome(Redacted.make(bytes)) : broken)
          })
      })
    )
  return Effect.gen(function* () {
    const { ensure, keep, lock } = yield* open(mine)
    const there = yield* read(keep)
    if (Option.isSome(there)) return there.value
    yield* ensure
    return yield* lock.withLock(
      keyName,
      Duration.decode(mine.lockTimeout ?? "35 seconds")
    )(
      Effect.gen(function* () {
        const meanwhile = yield* read(keep)
        if (Option.isSome(meanwhile)) return meanwhile.value
        const made = crypto.getRandomValues(new Uint8Array(32))
        yield* Effect.uninterruptible(keep.set(keyName, Encoding.encodeBase64Url(made)))
        return Redacted.make(made)
      })
    )
  }).pipe(Effect.mapError(unopened))
}

const broken: Effect.Effect<never, TextStore.Failure> = Effect.fail({
  reason: "Corrupt",
  description: `the entry ${keyName} of the key ring is no key of this library; what was encrypted with it is lost if nobody knows what it was: remove it to make another`
})
