/**
 * A store of one text per key, in files or whatever else keeps texts: whoever writes holds the key's lock, and writes in the place of what he has read.
 *
 * @module
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as RcRef from "effect/RcRef"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Form } from "./form.ts"
import * as Idle from "./idle.ts"
import * as Record from "./record.ts"

/** Why the store could not do what it was asked. Never what is in a text. */
export interface Failure {
  readonly reason: "Corrupt" | "Permissions" | "LockTimeout" | "Conflict" | "Unavailable" | "NewerVersion"
  readonly description: string
  /** Of what is `Corrupt`: whether it shows what should be hidden. Default: no. */
  readonly isExposed?: boolean
}

/** Where texts lie under names, each always whole. Nothing can be interrupted half-way. */
export interface Texts {
  /** Makes the place, unless it is there. */
  readonly ensure: Effect.Effect<void, Failure>
  /** Whether the place is there. */
  readonly exists: Effect.Effect<boolean, Failure>
  /** What lies under a name. */
  readonly read: (
    name: string
  ) => Effect.Effect<Option.Option<{ readonly text: string; readonly stamp?: string | undefined }>, Failure>
  /** Another one whenever another text is there. Only where that is easier to say than the text. */
  readonly stamp?: (name: string) => Effect.Effect<Option.Option<string>, Failure>
  /** Puts a text there. `check` sees what is there in the last moment, and fails to keep it. */
  readonly replace: (
    name: string,
    text: string,
    check: (present: Option.Option<{ readonly text: string }>) => Effect.Effect<void, Failure>
  ) => Effect.Effect<unknown, Failure>
  /** Gives a text that is no good another name, to be looked at. Returns that name. */
  readonly setAside: (name: string) => Effect.Effect<string, Failure>
  /** Removes a text and what was set aside of it. Nothing there is fine. */
  readonly remove: (name: string) => Effect.Effect<unknown, Failure>
  /** All names. */
  readonly names: Effect.Effect<ReadonlyArray<string>, Failure>
  /** The names of texts that something happened to, as far as somebody tells; undefined: some text. */
  readonly changes: Stream.Stream<string | undefined, Failure>
  /** Whether everything that happens is told by them: then nobody looks for himself now and then. Default: no. */
  readonly areTold?: Effect.Effect<boolean>
}

/** One at a time under a name, among all who share the texts; those of this process in the order they came. */
export interface TextLock {
  readonly withLock: (
    name: string,
    timeLimit: Duration.Duration
  ) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Failure, R>
}

export type Operation = "get" | "remove" | "list" | "transaction"

export interface Options<A, E> {
  readonly texts: Texts
  readonly form: Form<A>
  /** Made when it is needed first, and when the directory is there. */
  readonly lock: Effect.Effect<TextLock, Failure>
  readonly lockTimeout: Duration.Duration
  readonly error: (operation: Operation, key: string, failure: Failure) => E
}

export interface TextStore<A, E> {
  readonly get: (key: string) => Effect.Effect<Option.Option<A>, E>
  readonly remove: (key: string) => Effect.Effect<void, E>
  readonly list: Effect.Effect<ReadonlyArray<string>, E>
  readonly transaction: <E2, R>(
    key: string,
    f: (stored: Option.Option<A>) => Effect.Effect<Option.Option<A>, E2, R>
  ) => Effect.Effect<Option.Option<A>, E | E2, R>
  readonly changes: (key: string) => Stream.Stream<A>
}

/** How often texts are looked at where nobody tells that they have changed, and whoever tells is asked whether he still does. */
const lookEvery = "5 seconds"

const isRecord = (name: string): boolean => /^[0-9a-f]{32}\.token$/.test(name)

/**
 * The name of a key's text: good for a file on every system, in no directory but its own, and telling nobody what the key is. JSON tells half surrogates
 * apart, which UTF-8 does not.
 */
export const nameOf = (key: string): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(key)))),
    (hash) => `${Encoding.encodeHex(new Uint8Array(hash, 0, 16))}.token`
  )

/** What a few of the texts hold, whichever. */
export const someOf = (texts: Texts): Effect.Effect<ReadonlyArray<string>> =>
  Effect.flatMap(texts.names, (names) => Effect.forEach(names.filter(isRecord).slice(0, 3), texts.read)).pipe(
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

export const make = <A, E>(options: Options<A, E>): Effect.Effect<TextStore<A, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { error, texts, form, lockTimeout } = options
    /** Who wants to look at a text when something has happened to it. */
    const watchers = new Map<string, Set<Queue.Queue<void>>>()
    /** Whose last look failed: nobody may tell them again. */
    const late = new Set<Queue.Queue<void>>()
    /** Makes those look who watch the text of this name, or any. */
    const touch = (name: string | undefined) =>
      Effect.sync(() => {
        for (const those of name === undefined ? watchers.values() : [watchers.get(name) ?? []]) {
          for (const looks of those) looks.unsafeOffer(undefined)
        }
      })
    const touchLate = Effect.sync(() => {
      for (const looks of late) looks.unsafeOffer(undefined)
      late.clear()
    })
    /** A look that nobody has begun yet stands for all that were asked for meanwhile. */
    const watching = (name: string): Effect.Effect<Queue.Queue<void>, never, Scope.Scope> =>
      Effect.acquireRelease(
        Effect.map(Queue.sliding<void>(1), (looks) => {
          const those = watchers.get(name) ?? new Set()
          watchers.set(name, those.add(looks))
          return looks
        }),
        (looks) =>
          Effect.suspend(() => {
            late.delete(looks)
            const those = watchers.get(name)
            if (those?.delete(looks) === true && those.size === 0) watchers.delete(name)
            return Queue.shutdown(looks)
          })
      )

    let made: TextLock | undefined
    const lock: Effect.Effect<TextLock, Failure> = Effect.suspend(() =>
      made !== undefined ? Effect.succeed(made) : Effect.map(options.lock, (lock) => (made ??= lock))
    )

    /** Most programs use one key, whose name is made once. */
    let last: { readonly key: string; readonly name: string } | undefined
    const nameOfKey = (key: string): Effect.Effect<string> =>
      Effect.suspend(() =>
        last?.key === key ? Effect.succeed(last.name) : Effect.map(nameOf(key), (name) => (last = { key, name }).name)
      )

    /** Failures of the lock, and what was done under it with failures of its own. */
    const locked =
      (name: string) =>
      <B, E2, R>(effect: Effect.Effect<B, E2, R>): Effect.Effect<Either.Either<B, E2>, Failure, R> =>
        Effect.flatMap(Effect.zipRight(texts.ensure, lock), (lock) =>
          lock.withLock(name, lockTimeout)(Effect.either(effect))
        )

    const read = (key: string, name: string): Effect.Effect<Option.Option<Read<A>>, Failure> =>
      Effect.flatMap(
        texts.read(name),
        Option.match({
          onNone: () => Effect.succeedNone,
          onSome: ({ text }) => Effect.asSome(Effect.map(form.decode(text, key), (stored) => ({ text, stored })))
        })
      )

    /**
     * Under the lock only: what somebody is just writing is never set aside. What shows a secret that should be hidden is removed: to take it for a token
     * would mean to believe whoever can write there.
     */
    const readOrSetAside = (key: string, name: string): Effect.Effect<Option.Option<Read<A>>, Failure> =>
      Effect.catchIf(
        read(key, name),
        ({ reason }) => reason === "Corrupt",
        ({ description, isExposed }) =>
          Effect.flatMap(
            isExposed === true
              ? Effect.as(texts.remove(name), "removed")
              : Effect.map(texts.setAside(name), (aside) => `set aside as ${aside}`),
            (fate): Effect.Effect<never, Failure> =>
              Effect.fail({
                reason: "Corrupt",
                description: `${description}; it was ${fate}, nothing is stored now: log in again`
              })
          )
      )

    const tokenOf = Option.map((read: Read<A>) => read.stored.token)

    const get = (key: string): Effect.Effect<Option.Option<A>, Failure> =>
      Effect.flatMap(nameOfKey(key), (name) =>
        Effect.catchIf(
          read(key, name),
          ({ reason }) => reason === "Corrupt",
          () => Effect.flatMap(locked(name)(readOrSetAside(key, name)), identity)
        )
      ).pipe(Effect.map(tokenOf))

    const remove = (key: string): Effect.Effect<void, Failure> =>
      Effect.flatMap(Effect.all([nameOfKey(key), texts.exists]), ([name, exists]) =>
        exists
          ? Effect.flatMap(
              locked(name)(Effect.uninterruptible(Effect.zipRight(texts.remove(name), touch(name)))),
              identity
            )
          : Effect.void
      )

    const list: Effect.Effect<ReadonlyArray<string>, Failure> = Effect.flatMap(texts.names, (names) =>
      Effect.forEach(
        names.filter(isRecord),
        (name) =>
          Effect.gen(function* () {
            const snapshot = yield* texts.read(name)
            if (Option.isNone(snapshot)) return []
            const { key } = yield* form.decode(snapshot.value.text)
            return (yield* nameOf(key)) === name ? [key] : []
          }).pipe(
            // One text that is no good hides none of the others.
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
          yield* Effect.flatMap(texts.read(name), check)
          yield* texts.remove(name)
        } else {
          const token = after.value
          if (Option.exists(before, ({ stored }) => stored.token === token || form.isSame(stored.token, token))) return
          const text = yield* form.encode({
            key,
            token,
            revision: Option.match(before, { onNone: () => 1, onSome: ({ stored }) => Record.next(stored.revision) }),
            rest: Option.match(before, { onNone: () => ({}), onSome: ({ stored }) => stored.rest })
          })
          yield* texts.replace(name, text, check)
        }
        yield* touch(name)
      })

    const transaction: TextStore<A, E>["transaction"] = <E2, R>(
      key: string,
      f: (stored: Option.Option<A>) => Effect.Effect<Option.Option<A>, E2, R>
    ) => {
      const failed = Effect.mapError((failure: Failure) => error("transaction", key, failure))
      return Effect.flatMap(nameOfKey(key), (name) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(failed(readOrSetAside(key, name)), (before) =>
            Effect.tap(restore(f(tokenOf(before))), (after) => failed(store(key, name, before, after)))
          )
        ).pipe(locked(name), failed, Effect.flatMap(identity))
      )
    }

    /** Runs while anybody wants to know, and keeps no program alive by itself: tells of what happens in the directory, and now and then that something may have. */
    const watch = yield* RcRef.make({
      acquire: Effect.zipRight(
        Effect.forkScoped(
          Stream.runForEach(texts.changes, touch).pipe(
            Effect.ignore,
            Effect.zipRight(Idle.sleep(lookEvery)),
            Effect.forever
          )
        ),
        Effect.forkScoped(
          Idle.sleep(lookEvery).pipe(
            Effect.zipRight(texts.areTold ?? Effect.succeed(false)),
            Effect.flatMap((areTold) => (areTold ? touchLate : touch(undefined))),
            Effect.forever
          )
        )
      )
    })

    const changes = (key: string): Stream.Stream<A> =>
      Stream.unwrapScoped(
        Effect.gen(function* () {
          const name = yield* nameOfKey(key)
          const looks = yield* watching(name)
          yield* RcRef.get(watch)
          yield* Idle.attend
          let stamp = Option.none<string>()
          let text = Option.none<string>()
          /** The token, if it is another one than before. A text that cannot be read is looked at again later. */
          const look: Effect.Effect<Option.Option<A>> = Effect.gen(function* () {
            if (texts.stamp !== undefined) {
              const now = yield* texts.stamp(name)
              if (Option.getOrUndefined(now) === Option.getOrUndefined(stamp)) return Option.none<A>()
            }
            const snapshot = yield* texts.read(name)
            const known = text
            stamp = Option.flatMapNullable(snapshot, ({ stamp }) => stamp)
            text = Option.map(snapshot, ({ text }) => text)
            if (Option.isNone(snapshot) || Option.contains(known, snapshot.value.text)) return Option.none<A>()
            return Option.some((yield* form.decode(snapshot.value.text, key)).token)
          }).pipe(Effect.catchAll(() => Effect.sync(() => (late.add(looks), Option.none()))))
          yield* look
          return Stream.fromQueue(looks).pipe(
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
