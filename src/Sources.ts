/**
 * Where `fromConfig` and `layerConfig` look for settings, and in which order. By default there is one place: the environment, which means
 * the `ConfigProvider` of the program.
 *
 * Each source is asked for all settings of a provider at once, and the first that has *any* of them decides alone: an id from the
 * environment is never mixed with a secret from a profile. Who wants values one by one sets a `ConfigProvider.orElse` for the program instead.
 *
 * @example
 * ```ts
 * import * as ClientCredentials from "effect-credentials/ClientCredentials"
 * import * as Sources from "effect-credentials/Sources"
 * import { Effect, Redacted } from "effect"
 *
 * const flags = Sources.explicit({ CLIENT_ID: "me", CLIENT_SECRET: Redacted.make("s3cret") })
 * const provider = ClientCredentials.fromConfig().pipe(Effect.provide(Sources.layer([flags, Sources.environment])))
 * console.log(Effect.runSync(Effect.flip(provider)).message)
 * // ClientCredentials is half configured in the options: CLIENT_ID, CLIENT_SECRET are set, TOKEN_URL or ISSUER is missing
 * ```
 *
 * @module
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { InvalidOption } from "./CredentialsError.ts"

/**
 * Settings by the names of environment variables; what is undefined is absent. Secrets are redacted.
 *
 * @category models
 * @since 0.1.0
 */
export type Settings = Readonly<Record<string, string | Redacted.Redacted | undefined>>

/**
 * A place where settings are found.
 *
 * @category models
 * @since 0.1.0
 */
export interface Source {
  /** What it is called in messages: `the environment`. */
  readonly name: string
  /** Its settings as they are now. Run once for all settings of a provider, and only if no source before it has any. */
  readonly configProvider: Effect.Effect<ConfigProvider.ConfigProvider, InvalidOption>
}

/**
 * The `ConfigProvider` of the program where a provider is made: environment variables, unless it was replaced.
 *
 * @example
 * ```ts
 * import * as Sources from "effect-credentials/Sources"
 *
 * console.log(Sources.environment.name)
 * // the environment
 * ```
 *
 * @category sources
 * @since 0.1.0
 */
export const environment: Source = {
  name: "the environment",
  configProvider: /* @__PURE__ */ Effect.configProviderWith(Effect.succeed)
}

/**
 * Settings that are known already, such as the flags of a command line.
 *
 * @example
 * ```ts
 * import * as Sources from "effect-credentials/Sources"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { Effect, Redacted } from "effect"
 *
 * const flags = Sources.explicit({ TOKEN: Redacted.make("s3cret") }, "the flags")
 * const provider = StaticToken.fromConfig().pipe(Effect.provide(Sources.layer([flags])))
 * console.log(Effect.runSync(provider).name)
 * // StaticToken
 * ```
 *
 * @category sources
 * @since 0.1.0
 */
export const explicit = (settings: Settings, name: string = "the options"): Source => {
  const provider = configProvider(settings)
  return { name, configProvider: Effect.succeed(provider) }
}

/**
 * Settings as an Effect `ConfigProvider`, which reads them as it reads environment variables: nested names are joined by `_`.
 *
 * @example
 * ```ts
 * import * as Sources from "effect-credentials/Sources"
 * import { Config, Effect, Redacted } from "effect"
 *
 * const settings = Sources.configProvider({ API_URL: "https://api.example.com", GITHUB_TOKEN: Redacted.make("s3cret") })
 * const program = Config.nested(Config.redacted("TOKEN"), "GITHUB")
 * console.log(String(Effect.runSync(Effect.withConfigProvider(program, settings))))
 * // <redacted>
 * ```
 *
 * @category conversions
 * @since 0.1.0
 */
export const configProvider = (settings: Settings): ConfigProvider.ConfigProvider => {
  const texts = new Map<string, string>()
  for (const [name, value] of Object.entries(settings)) {
    if (value !== undefined) texts.set(name, Redacted.isRedacted(value) ? Redacted.value(value) : value)
  }
  return ConfigProvider.fromMap(texts, { pathDelim: "_", seqDelim: "," })
}

const ordered: FiberRef.FiberRef<readonly [Source, ...ReadonlyArray<Source>]> = /* @__PURE__ */ globalValue(
  "effect-credentials/Sources",
  () => FiberRef.unsafeMake<readonly [Source, ...ReadonlyArray<Source>]>([environment])
)

/**
 * The sources that are asked here, in order.
 *
 * @example
 * ```ts
 * import * as Sources from "effect-credentials/Sources"
 * import { Effect } from "effect"
 *
 * const program = Effect.map(Sources.current, (sources) => sources.map(({ name }) => name))
 * console.log(Effect.runSync(program))
 * // [ 'the environment' ]
 * ```
 *
 * @category accessors
 * @since 0.1.0
 */
export const current: Effect.Effect<readonly [Source, ...ReadonlyArray<Source>]> = /* @__PURE__ */ FiberRef.get(ordered)

/**
 * Makes every `fromConfig` and `layerConfig` below ask these sources, in this order.
 *
 * @example
 * ```ts
 * import * as ApiKey from "effect-credentials/ApiKey"
 * import * as Sources from "effect-credentials/Sources"
 * import { Effect, Layer } from "effect"
 *
 * const vault = Sources.explicit({ UNRELATED: "x" }, "the vault")
 * const Live = ApiKey.layerConfig().pipe(Layer.provide(Sources.layer([Sources.explicit({}, "the flags"), vault])))
 * console.log(Effect.runSync(Effect.flip(Effect.scoped(Layer.build(Live)))).message)
 * // ApiKey is not configured: set API_KEY (looked for in the flags, the vault)
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (sources: readonly [Source, ...ReadonlyArray<Source>]): Layer.Layer<never> =>
  Layer.scopedDiscard(Effect.locallyScoped(ordered, sources))
