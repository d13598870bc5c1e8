/**
 * A store of one file per key, shared by the processes of one user: whoever writes holds the key's lock, in this process and among all.
 *
 * @module
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as RcRef from "effect/RcRef"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Form } from "./form.ts"
import type { PrivateFiles } from "./privateFile.ts"
import type { LockError, ProcessLock } from "./processLock.ts"
import * as Record from "./record.ts"

/** Why the store could not do what it was asked. Never what is in a file. */
export interface Failure {
  readonly reason: "Corrupt" | "Permissions" | "LockTimeout" | "Conflict" | "Unavailable" | "NewerVersion"
  readonly description: string
}

export type Operation = "get" | "remove" | "list" | "transaction"

export interface Options<A, E> {
  readonly files: PrivateFiles
  readonly form: Form<A>
  /** Made when it is needed first, and when the directory is there. */
  readonly lock: Effect.Effect<ProcessLock, LockError>
  readonly lockTimeout: Duration.Duration
  readonly error: (operation: Operation, key: string, failure: Failure) => E
}

export interface FileStore<A, E> {
  readonly get: (key: string) => Effect.Effect<Option.Option<A>, E>
  readonly remove: (key: string) => Effect.Effect<void, E>
  readonly list: Effect.Effect<ReadonlyArray<string>, E>
  readonly transaction: <E2, R>(
    key: string,
    f: (stored: Option.Option<A>) => Effect.Effect<Option.Option<A>, E2, R>
  ) => Effect.Effect<Option.Option<A>, E | E2, R>
  readonly changes: (key: string) => Stream.Stream<A>
}

/** How often files are looked at where nobody says that they have changed. */
const lookEvery = "5 seconds"

const isRecord = (name: string): boolean => /^[0-9a-f]{32}\.token$/.test(name)

/**
 * The name of a key's file: the same on every system, in no directory but its own, and telling nobody what the key is. JSON tells half surrogates
 * apart, which UTF-8 does not.
 */
export const nameOf = (key: string): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(key)))),
    (hash) => `${Encoding.encodeHex(new Uint8Array(hash, 0, 16))}.token`
  )

/** What a few of the files hold, whichever. */
export const someOf = (files: PrivateFiles): Effect.Effect<ReadonlyArray<string>> =>
  Effect.flatMap(files.names, (names) => Effect.forEach(names.filter(isRecord).slice(0, 3), files.read)).pipe(
    Effect.map((read) => read.flatMap(Option.match({ onNone: () => [], onSome: ({ text }) => [text] }))),
    Effect.orElseSucceed(() => [])
  )

interface Read<A> {
  readonly text: string
  readonly stored: Record.Stored<A>
}

const conflict: Failure = {
  reason: "Conflict",
  description: "somebody else wrote without the lock meanwhile; nothing was overwritten, try again"
}

export const make = <A, E>(options: Options<A, E>): Effect.Effect<FileStore<A, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { error, files, form, lockTimeout } = options
    /** The files that somebody may want to look at: by name, or any. */
    const touched = yield* PubSub.sliding<string | undefined>(256)
    const touch = (name: string | undefined) => PubSub.publish(touched, name)

    let made: ProcessLock | undefined
    const lock: Effect.Effect<ProcessLock, Failure> = Effect.suspend(() =>
      made !== undefined ? Effect.succeed(made) : Effect.map(options.lock, (lock) => (made ??= lock))
    )

    /** Failures of the lock, and what was done under it with failures of its own. */
    const locked =
      (name: string) =>
      <B, E2, R>(effect: Effect.Effect<B, E2, R>): Effect.Effect<Either.Either<B, E2>, Failure, R> =>
        Effect.flatMap(Effect.zipRight(files.ensure, lock), (lock) =>
          lock.withLock(name, lockTimeout)(Effect.either(effect))
        )

    const read = (key: string, name: string): Effect.Effect<Option.Option<Read<A>>, Failure> =>
      Effect.flatMap(
        files.read(name),
        Option.match({
          onNone: () => Effect.succeedNone,
          onSome: ({ text }) => Effect.asSome(Effect.map(form.decode(text, key), (stored) => ({ text, stored })))
        })
      )

    /** Under the lock only: what somebody is just writing is never set aside. */
    const readOrSetAside = (key: string, name: string): Effect.Effect<Option.Option<Read<A>>, Failure> =>
      Effect.catchIf(
        read(key, name),
        ({ reason }) => reason === "Corrupt",
        ({ description }) =>
          Effect.flatMap(files.setAside(name), (aside): Effect.Effect<never, Failure> =>
            Effect.fail({
              reason: "Corrupt",
              description: `${description}; the file was set aside as ${aside}, nothing is stored now: log in again`
            })
          )
      )

    const tokenOf = Option.map((read: Read<A>) => read.stored.token)

    const get = (key: string): Effect.Effect<Option.Option<A>, Failure> =>
      Effect.flatMap(nameOf(key), (name) =>
        Effect.catchIf(
          read(key, name),
          ({ reason }) => reason === "Corrupt",
          () => Effect.flatMap(locked(name)(readOrSetAside(key, name)), identity)
        )
      ).pipe(Effect.map(tokenOf))

    const remove = (key: string): Effect.Effect<void, Failure> =>
      Effect.flatMap(Effect.all([nameOf(key), files.exists]), ([name, exists]) =>
        exists
          ? Effect.flatMap(
              locked(name)(Effect.uninterruptible(Effect.zipRight(files.remove(name), touch(name)))),
              identity
            )
          : Effect.void
      )

    const list: Effect.Effect<ReadonlyArray<string>, Failure> = Effect.flatMap(files.names, (names) =>
      Effect.forEach(
        names.filter(isRecord),
        (name) =>
          Effect.gen(function* () {
            const snapshot = yield* files.read(name)
            if (Option.isNone(snapshot)) return []
            const { key } = yield* form.decode(snapshot.value.text)
            return (yield* nameOf(key)) === name ? [key] : []
          }).pipe(
            // One file that is no good hides none of the others.
            Effect.catchIf(
              ({ reason }) => reason === "Corrupt" || reason === "NewerVersion",
              () => Effect.succeed([])
            )
          ),
        { concurrency: 16 }
      )
    ).pipe(Effect.map((keys) => keys.flat()))

    const store = (
      key: string,
      name: string,
      before: Option.Option<Read<A>>,
      after: Option.Option<A>
    ): Effect.Effect<void, Failure> =>
      Effect.gen(function* () {
        const check = (present: Option.Option<{ readonly text: string }>): Effect.Effect<void, Failure> =>
          Option.getOrUndefined(Option.map(present, ({ text }) => text)) ===
          Option.getOrUndefined(Option.map(before, ({ text }) => text))
            ? Effect.void
            : Effect.fail(conflict)
        if (Option.isNone(after)) {
          if (Option.isNone(before)) return
          yield* Effect.flatMap(files.read(name), check)
          yield* files.remove(name)
        } else {
          const token = after.value
          if (Option.exists(before, ({ stored }) => stored.token === token || form.isSame(stored.token, token))) return
          const text = yield* form.encode({
            key,
            token,
            revision: Option.match(before, { onNone: () => 1, onSome: ({ stored }) => Record.next(stored.revision) }),
            rest: Option.match(before, { onNone: () => ({}), onSome: ({ stored }) => stored.rest })
          })
          yield* files.replace(name, text, check)
        }
        yield* touch(name)
      })

    const transaction: FileStore<A, E>["transaction"] = <E2, R>(
      key: string,
      f: (stored: Option.Option<A>) => Effect.Effect<Option.Option<A>, E2, R>
    ) => {
      const failed = Effect.mapError((failure: Failure) => error("transaction", key, failure))
      return Effect.flatMap(nameOf(key), (name) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(failed(readOrSetAside(key, name)), (before) =>
            Effect.tap(restore(f(tokenOf(before))), (after) => failed(store(key, name, before, after)))
          )
        ).pipe(locked(name), failed, Effect.flatMap(identity))
      )
    }

    /** Runs while anybody wants to know: tells of what happens in the directory, and now and then that something may have. */
    const watch = yield* RcRef.make({
      acquire: Effect.zipRight(
        Effect.forkScoped(
          Stream.runForEach(files.changes, touch).pipe(
            Effect.ignore,
            Effect.zipRight(Effect.sleep(lookEvery)),
            Effect.forever
          )
        ),
        Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(lookEvery), touch(undefined))))
      )
    })

    const changes = (key: string): Stream.Stream<A> =>
      Stream.unwrapScoped(
        Effect.gen(function* () {
          const name = yield* nameOf(key)
          const looks = yield* PubSub.subscribe(touched)
          yield* RcRef.get(watch)
          let stamp = Option.none<string>()
          let text = Option.none<string>()
          /** The token, if it is another one than before. A file that cannot be read is looked at again later. */
          const look: Effect.Effect<Option.Option<A>> = Effect.gen(function* () {
            const now = yield* files.stamp(name)
            if (Option.getOrUndefined(now) === Option.getOrUndefined(stamp)) return Option.none<A>()
            const snapshot = yield* files.read(name)
            const known = text
            stamp = Option.map(snapshot, ({ stamp }) => stamp)
            text = Option.map(snapshot, ({ text }) => text)
            if (Option.isNone(snapshot) || Option.contains(known, snapshot.value.text)) return Option.none<A>()
            return Option.some((yield* form.decode(snapshot.value.text, key)).token)
          }).pipe(Effect.catchAll(() => Effect.succeedNone))
          yield* look
          return Stream.fromQueue(looks).pipe(
            Stream.filter((touched) => touched === undefined || touched === name),
            Stream.mapEffect(() => look),
            Stream.filterMap(identity)
          )
        })
      )

    return {
      get: (key) => Effect.mapError(get(key), (failure) => error("get", key, failure)),
      remove: (key) => Effect.mapError(remove(key), (failure) => error("remove", key, failure)),
      list: Effect.mapError(list, (failure) => error("list", "", failure)),
      transaction,
      changes
    }
  })
