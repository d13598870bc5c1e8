/**
 * Named settings that outlive the process: who uses a program in several ways writes a profile for each and names the one he means.
 *
 * A profile holds settings by the names of environment variables. {@link layerSources} makes every `fromConfig` and `layerConfig` look in what was given
 * explicitly, then in the environment, then in the profile, and never mix them. The profile that is meant is the one that an option names, else
 * the variable `EFFECT_CREDENTIALS_PROFILE`, else the one called `default`.
 *
 * @example
 * ```ts
 * import * as Profiles from "effect-credentials/Profiles"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { Effect, Redacted } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const profiles = yield* Profiles.Profiles
 *   yield* profiles.write("work", { TOKEN: Redacted.make("s3cret") })
 *   const provider = yield* StaticToken.fromConfig().pipe(Effect.provide(Profiles.layerSources({ profile: "work" })))
 *   console.log(provider.name)
 * })
 * Effect.runPromise(program.pipe(Effect.provide(Profiles.layerMemory())))
 * // StaticToken
 * ```
 *
 * @module
 */
import * as Config from "effect/Config"
import type * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { InvalidOption, ProfilesError } from "./CredentialsError.ts"
import * as Location from "./internal/location.ts"
import * as Lock from "./internal/lock.ts"
import * as Node from "./internal/node.ts"
import * as PrivateFile from "./internal/privateFile.ts"
import * as SharedFile from "./internal/sharedFile.ts"
import * as Document from "./internal/profiles.ts"
import * as Secret from "./internal/secret.ts"
import * as Text from "./internal/text.ts"
import * as Sources from "./Sources.ts"

/**
 * Named settings.
 *
 * @category models
 * @since 0.1.0
 */
export interface Profiles {
  /** Where they are, for messages: the path of a file, or `memory`. */
  readonly location: string
  /** The names of all profiles. */
  readonly list: Effect.Effect<ReadonlyArray<string>, ProfilesError>
  /** The settings of a profile. What was written as a secret comes back redacted. Fails with `NotFound`, which tells the names there are. */
  readonly get: (name: string) => Effect.Effect<Sources.Settings, ProfilesError>
  /**
   * Writes a profile: these settings and no others, whatever it held. Those that are redacted are kept as secrets. Fails with `Invalid`
   * for a name or a setting that cannot be used.
   */
  readonly write: (name: string, settings: Sources.Settings) => Effect.Effect<void, ProfilesError>
  /** Removes a profile; false: there was none. */
  readonly remove: (name: string) => Effect.Effect<boolean, ProfilesError>
  /** The name of the profile that is meant: that of the layer's option, else of the variable `EFFECT_CREDENTIALS_PROFILE`, else `default`. */
  readonly current: Effect.Effect<string, ProfilesError>
  /**
   * A profile's settings as they are now, as an Effect `ConfigProvider`. Without a name: of the current profile, which has no settings if it is
   * `default`, nobody named it, and it was never written.
   */
  readonly configProvider: (name?: string) => Effect.Effect<ConfigProvider.ConfigProvider, ProfilesError>
}

/**
 * The profiles of a program.
 *
 * @category tags
 * @since 0.1.0
 */
export const Profiles: Context.Tag<Profiles, Profiles> =
  /* @__PURE__ */ Context.GenericTag("effect-credentials/Profiles")

/**
 * Which profile is meant.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The name of the current profile, such as a flag of the program. Default: the variable `EFFECT_CREDENTIALS_PROFILE`, else `default`. */
  readonly profile?: string | undefined
}

/** What is wrong, before it is known in which operation. */
interface Failure {
  readonly reason: ProfilesError["reason"]
  readonly description: string
}

const failure = (reason: Failure["reason"], description: string): Effect.Effect<never, Failure> =>
  Effect.fail({ reason, description })

/** Where the text is. */
interface Place {
  readonly location: string
  /** The text; none if nothing was written yet. */
  readonly read: Effect.Effect<Option.Option<string>, Failure>
  /** Puts what `f` makes of the text in its place, while nobody else does the same; none: it stays. */
  readonly change: (
    f: (text: Option.Option<string>) => Effect.Effect<Option.Option<string>, Failure>
  ) => Effect.Effect<void, Failure>
}

const named =
  (operation: ProfilesError["operation"], profile: string = "") =>
  <A>(effect: Effect.Effect<A, Failure>): Effect.Effect<A, ProfilesError> =>
    Effect.mapError(
      effect,
      ({ description, reason }) =>
        new ProfilesError({ operation, profile: Text.printable(profile, 64), reason, description })
    )

const checkName = (name: string): Effect.Effect<void, Failure> =>
  Document.isName(name)
    ? Effect.void
    : failure("Invalid", "a name has 1 to 128 visible characters, single spaces between them and nothing else")

/** A copy of what is to be written, once all of it can be. */
const checked = (settings: Sources.Settings): Effect.Effect<Document.Settings, Failure> =>
  Effect.suspend(() => {
    const copy = new Map<string, NonNullable<Sources.Settings[string]>>()
    for (const [setting, value] of Object.entries(settings)) {
      if (value === undefined) continue
      const shown = Text.printable(setting, 64)
      if (!Document.isName(setting)) {
        return failure("Invalid", `a setting is called like an environment variable, which "${shown}" is not`)
      }
      if (Secret.isBlank(value)) return failure("Invalid", `the setting ${shown} is blank: leave it out`)
      copy.set(setting, value)
    }
    return copy.size === 0
      ? failure("Invalid", "there are no settings: give at least one, or remove the profile")
      : Effect.succeed(Object.fromEntries(copy))
  })

const noneCalled = (all: ReadonlyArray<string>): string => {
  const some = all.slice(0, 10).map((name) => Text.printable(name, 128))
  return all.length === 0
    ? "there is none yet: write it first"
    : `there are ${some.join(", ")}${all.length > some.length ? " and others" : ""}: choose one of them or write it first`
}

const fallback = "default"

const make = (place: Place, options: Options): Profiles => {
  const inPlace = ({ description, reason }: Failure): Failure => ({
    reason,
    description: `${place.location}: ${description}`
  })
  const parse = (text: Option.Option<string>) => Either.mapLeft(Document.parse(text), inPlace)
  const document: Effect.Effect<Document.Document, Failure> = Effect.flatMap(place.read, parse)
  const find = (name: string) =>
    Effect.gen(function* () {
      yield* checkName(name)
      const present = yield* document
      const settings = yield* Either.mapLeft(Document.settingsOf(present, name), inPlace)
      return { settings, others: Document.names(present) }
    })
  const get = (name: string): Effect.Effect<Sources.Settings, Failure> =>
    Effect.flatMap(find(name), ({ others, settings }) =>
      Option.match(settings, {
        onSome: Effect.succeed,
        onNone: () => failure("NotFound", `${place.location}: ${noneCalled(others)}`)
      })
    )
  const change = (f: (document: Document.Document) => Document.Document) =>
    place.change((text) =>
      Effect.map(parse(text), (before) => {
        const after = f(before)
        return after === before ? Option.none() : Option.some(Document.print(after))
      })
    )
  /** The name of the current profile, and whether somebody named it. */
  const chosen: Effect.Effect<{ readonly name: string; readonly isNamed: boolean }, Failure> = Effect.gen(function* () {
    const variable = yield* Effect.option(Config.string("EFFECT_CREDENTIALS_PROFILE"))
    const given = Option.fromNullable(options.profile).pipe(
      Option.orElse(() => Option.filter(variable, (name) => !Text.isBlank(name)))
    )
    const name = Option.getOrElse(given, () => fallback)
    yield* checkName(name)
    return { name, isNamed: Option.isSome(given) }
  })
  return {
    location: place.location,
    list: Effect.map(document, Document.names).pipe(named("list")),
    get: (name) => get(name).pipe(named("get", name)),
    write: (name, settings) =>
      Effect.zipRight(checkName(name), checked(settings)).pipe(
        Effect.flatMap((settings) => change((document) => Document.written(document, name, settings))),
        named("write", name)
      ),
    remove: (name) =>
      Effect.suspend(() => {
        let isThere = false
        return Effect.zipRight(
          checkName(name),
          change((document) => {
            isThere = Document.names(document).includes(name)
            return isThere ? Document.removed(document, name) : document
          })
        ).pipe(Effect.map(() => isThere))
      }).pipe(named("remove", name)),
    current: Effect.map(chosen, ({ name }) => name).pipe(named("current")),
    configProvider: (name) =>
      name !== undefined
        ? Effect.map(get(name), Sources.configProvider).pipe(named("get", name))
        : Effect.flatMap(named("current")(chosen), ({ isNamed, name }) =>
            (isNamed
              ? get(name)
              : Effect.map(find(name), ({ settings }) => Option.getOrElse(settings, () => ({})))
            ).pipe(Effect.map(Sources.configProvider), named("get", name))
          )
  }
}

/**
 * Profiles in memory, for tests. Each call makes others.
 *
 * @example
 * ```ts
 * import * as Profiles from "effect-credentials/Profiles"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const profiles = yield* Profiles.Profiles
 *   yield* profiles.write("work", { CLIENT_ID: "me" })
 *   return yield* profiles.list
 * })
 * console.log(Effect.runSync(program.pipe(Effect.provide(Profiles.layerMemory()))))
 * // [ 'work' ]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (options: Options = {}): Layer.Layer<Profiles> =>
  Layer.sync(Profiles, () => {
    const lock = Lock.make()
    let present: Option.Option<string> = Option.none()
    const read = Effect.sync(() => present)
    return make(
      {
        location: "memory",
        read,
        change: (f) =>
          lock(
            Effect.flatMap(Effect.flatMap(read, f), (after) =>
              Effect.sync(() => {
                if (Option.isSome(after)) present = after
              })
            )
          )
      },
      options
    )
  })

/**
 * How the file is kept, and which profile is meant.
 *
 * @category models
 * @since 0.1.0
 */
export interface FileOptions extends Options {
  /**
   * The directory of the file: an absolute path. Default: `$EFFECT_CREDENTIALS_CONFIG`; else `effect-credentials` in `$XDG_CONFIG_HOME` or `~/.config`, on macOS
   * in `~/Library/Application Support`, on Windows in `%APPDATA%`.
   */
  readonly directory?: string | undefined
  /**
   * What to do with a directory or file that others may read: make it private (`"repair"`, the default) or refuse it. What belongs to somebody else, is a
   * symbolic link, or may be written to by others is always refused.
   */
  readonly permissions?: "repair" | "refuse" | undefined
  /** How long to wait for others who are writing. Default: 10 seconds. */
  readonly lockTimeout?: Duration.DurationInput | undefined
}

const fileName = "profiles.json"

/**
 * Profiles in the file `profiles.json`, which the programs of one user share and people may edit.
 *
 * **Details** – the directory (mode 0700) is made when the first profile is written. The file (mode 0600) is replaced as a whole, durably, and
 * by one process at a time; members that this library does not know stay as they are. A file that is no good is an error (`Corrupt`) for who reads it,
 * and is left alone: a comma may be missing. Who writes gets the same error, once, and the file is set aside in the same directory. What a newer version of
 * this library wrote is refused and kept (`NewerVersion`).
 *
 * **Gotchas** – secrets lie in the file in the clear, as those of most command-line tools do. Nothing is ever written but what `write` is given: a
 * secret that comes from the environment stays there. The directory is made private: give it one of its own.
 *
 * @example
 * ```ts
 * import * as Profiles from "effect-credentials/Profiles"
 * import { Effect } from "effect"
 *
 * const program = Effect.flatMap(Profiles.Profiles, (profiles) => profiles.get("work"))
 * const ProfilesLive = Profiles.layerFile({ directory: "/nonexistent/effect-credentials" })
 * Effect.runPromise(Effect.flip(program.pipe(Effect.provide(ProfilesLive)))).then((error) => console.log(error._tag))
 * // ProfilesError
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFile = (options: FileOptions = {}): Layer.Layer<Profiles, InvalidOption> =>
  Layer.effect(
    Profiles,
    Effect.gen(function* () {
      const platform = Node.platform()
      const directory = Location.directory(Location.configuration, options.directory, platform, Node.environment())
      if (Either.isLeft(directory) && options.directory !== undefined) {
        return yield* new InvalidOption({
          provider: "Profiles",
          option: "directory",
          expected: `an absolute path without ".." and control characters`
        })
      }
      const place = Effect.flatMap(directory, (directory) => inFile(directory, options))
      return make(yield* Effect.catchAll(place, (description) => Effect.succeed(nowhere(description))), options)
    })
  )

/** Where there is no place for a file, or no file system. */
const nowhere = (description: string): Place => ({
  location: fileName,
  read: failure("Unavailable", description),
  change: () => failure("Unavailable", description)
})

const inFile = (
  directory: string,
  { lockTimeout = "10 seconds", permissions }: FileOptions
): Effect.Effect<Place, string> =>
  Effect.map(SharedFile.make(directory, fileName, { permissions, lockTimeout }), (file) => ({
    location: file.path,
    read: file.read,
    change: (f) => {
      const changed = Effect.gen(function* () {
        const before = yield* file.read
        const after = yield* f(before)
        if (Option.isNone(after)) return
        if (new TextEncoder().encode(after.value).length > PrivateFile.longest) {
          return yield* failure("Invalid", "this is too much: all profiles together may be a mebibyte")
        }
        yield* file.replace(before, after)
      }).pipe(
        // An editor knows no lock: what it saved meanwhile is read again.
        Effect.retry({ times: 3, while: ({ reason }) => reason === "Conflict" }),
        Effect.catchIf(
          ({ reason }) => reason === "Corrupt",
          ({ description }) =>
            Effect.flatMap(file.setAside, (aside) =>
              failure("Corrupt", `${description}; it was set aside as ${aside}, write again to start anew`)
            )
        ),
        Effect.uninterruptible
      )
      return Effect.gen(function* () {
        // Where there is nothing to remove no directory is made.
        if (!(yield* file.hasDirectory) && Option.isNone(yield* f(Option.none()))) return
        yield* file.locked(changed)
      })
    }
  }))

/**
 * Makes every `fromConfig` and `layerConfig` below look in what is given explicitly, then in the environment, then in a profile. The first that has
 * *any* of a provider's settings decides alone.
 *
 * **Details** – the profile is read when a provider needs it, and only then: a program that is configured by its environment needs no readable profiles.
 * A profile that somebody named and that is not there is an `InvalidOption`; `default` may be missing.
 *
 * @example
 * ```ts
 * import * as ClientCredentials from "effect-credentials/ClientCredentials"
 * import * as Profiles from "effect-credentials/Profiles"
 * import { Effect, Layer } from "effect"
 *
 * const Settings = Profiles.layerSources({ explicit: { CLIENT_ID: "me" } }).pipe(Layer.provide(Profiles.layerMemory()))
 * const provider = ClientCredentials.fromConfig().pipe(Effect.provide(Settings))
 * console.log(Effect.runSync(Effect.flip(provider)).message)
 * // ClientCredentials is half configured in the options: CLIENT_ID is set, TOKEN_URL or ISSUER, CLIENT_SECRET are missing
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSources = (
  options: Options & {
    /** Settings that come before all others, such as the flags of the program. Default: none. */
    readonly explicit?: Sources.Settings | undefined
  } = {}
): Layer.Layer<never, InvalidOption, Profiles> =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const profiles = yield* Profiles
      const name = options.profile ?? (yield* Effect.mapError(profiles.current, unusable))
      const profile: Sources.Source = {
        name: `profile ${Text.printable(name, 128)} (${profiles.location})`,
        configProvider: Effect.mapError(profiles.configProvider(options.profile), unusable)
      }
      return options.explicit === undefined
        ? Sources.layer([Sources.environment, profile])
        : Sources.layer([Sources.explicit(options.explicit), Sources.environment, profile])
    })
  )

const unusable = ({ description, profile, reason }: ProfilesError): InvalidOption =>
  new InvalidOption({
    provider: "Profiles",
    option: reason === "NotFound" || reason === "Invalid" ? "profile" : "directory",
    expected:
      reason === "NotFound"
        ? `one that exists, which ${profile} does not (${description})`
        : reason === "Invalid"
          ? `the name of a profile (${description})`
          : `one where profiles can be read (${reason}, ${description})`
  })
