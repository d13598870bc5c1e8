/**
 * One private file that many processes change, each while it holds the file's lock. Who knows no lock, such as an editor or another program, is noticed.
 *
 * @module
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import * as Disk from "./disk.ts"
import * as PrivateFile from "./privateFile.ts"
import * as ProcessLock from "./processLock.ts"

/** What is wrong with the file, and what to do. Never what is in it. */
export interface Failure {
  readonly reason: "Corrupt" | "Permissions" | "Unavailable" | "LockTimeout" | "Conflict"
  readonly description: string
}

export interface Options {
  /** Default: `"repair"`. */
  readonly permissions?: PrivateFile.Permissions | undefined
  readonly lockTimeout: Duration.DurationInput
}

export interface SharedFile {
  readonly path: string
  /** The text; none if there is no such file. */
  readonly read: Effect.Effect<Option.Option<string>, Failure>
  /** Another one whenever another text is there. */
  readonly stamp: Effect.Effect<Option.Option<string>, Failure>
  /** Whether the file's directory is there. */
  readonly hasDirectory: Effect.Effect<boolean, Failure>
  /** Puts a text in the place of the one that was read, or removes the file; `Conflict` if it holds another by now. */
  readonly replace: (before: Option.Option<string>, after: Option.Option<string>) => Effect.Effect<void, Failure>
  /** Gives the file another name, which it returns. */
  readonly setAside: Effect.Effect<string, Failure>
  /** Runs an effect while nobody else runs one under the file's lock. Makes the directory. */
  readonly locked: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Failure, R>
  /** Whenever something may have happened to the file, while it can be watched. */
  readonly changes: Stream.Stream<unknown, Failure>
}

const conflict: Failure = {
  reason: "Conflict",
  description: "somebody keeps changing it: nothing was overwritten, try again"
}

/** Fails with what is missing where there are no files. */
export const make = (directory: string, name: string, options: Options): Effect.Effect<SharedFile, string> =>
  Effect.gen(function* () {
    const disk = yield* Disk.of(directory, "files")
    const lock = yield* Effect.mapError(ProcessLock.make(directory), ({ description }) => description)
    const files = PrivateFile.make(disk, directory, options.permissions)
    const lockTimeout = Duration.decode(options.lockTimeout)
    const read = Effect.map(
      files.read(name),
      Option.map(({ text }) => text)
    )
    const isStill = (before: Option.Option<string>, now: Option.Option<string>) =>
      Option.getOrUndefined(before) === Option.getOrUndefined(now) ? Effect.void : Effect.fail(conflict)
    return {
      path: disk.within(directory, name),
      read,
      stamp: files.stamp(name),
      hasDirectory: files.exists,
      replace: (before, after) =>
        Option.match(after, {
          onNone: () =>
            Effect.zipRight(
              Effect.flatMap(read, (now) => isStill(before, now)),
              files.remove(name)
            ),
          onSome: (text) =>
            Option.contains(before, text)
              ? Effect.flatMap(read, (now) => isStill(before, now))
              : files.replace(name, text, (present) =>
                  isStill(
                    before,
                    Option.map(present, ({ text }) => text)
                  )
                )
        }),
      setAside: files.setAside(name),
      locked: (effect) => Effect.zipRight(files.ensure, lock.withLock(name, lockTimeout)(effect)),
      changes: files.changes
    }
  })
