/**
 * Several providers in an order: the first that can serve is used, and it is known why.
 *
 * For programs that run in more than one place: with variables set in CI, with the tool of a vendor on a developer's machine, with a
 * metadata server in the cloud. Where one provider is meant and another helps out after a refusal, use `Provider.orElse`.
 *
 * @example
 * ```ts
 * import * as Chain from "effect-credentials/Chain"
 * import * as Command from "effect-credentials/Command"
 * import * as GoogleMetadata from "effect-credentials/GoogleMetadata"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const links = [
 *   StaticToken.fromConfig(),
 *   Command.make({ command: "gcloud", args: ["auth", "print-access-token"] }),
 *   GoogleMetadata.make().pipe(Chain.within("1 second"))
 * ] as const
 * const environment = ConfigProvider.fromMap(new Map([["TOKEN", "s3cret"]]))
 * const provider = Chain.firstConfigured(...links).pipe(Effect.withConfigProvider(environment))
 * console.log(Effect.runSync(provider).name)
 * // StaticToken
 * ```
 *
 * @module
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { InvalidOption, MissingCredentials, type PartialCredentials, RefreshError } from "./CredentialsError.ts"
import * as Provenance from "./internal/provenance.ts"
import * as Spending from "./internal/spending.ts"
import * as Text from "./internal/text.ts"
import * as Provider from "./Provider.ts"
import type { Token } from "./Token.ts"
import { merged } from "./internal/merged.ts"

/**
 * One provider of a chain: from configuration (`fromConfig` of its module), or ready, one that finds out when it is asked whether it can serve.
 *
 * @category models
 * @since 0.1.0
 */
export type Link =
  | Provider.Provider<any>
  | Effect.Effect<Provider.Provider<any>, MissingCredentials | PartialCredentials | InvalidOption>

/**
 * What the providers of links need.
 *
 * @category models
 * @since 0.1.0
 */
export type Requirements<L> =
  L extends Effect.Effect<Provider.Provider<infer R>, any> ? R : L extends Provider.Provider<infer R> ? R : never

/**
 * How building a chain of links can fail. A ready one cannot.
 *
 * @category models
 * @since 0.1.0
 */
export type Problem<L> = L extends Effect.Effect<any, infer E> ? E : never

/**
 * What became of one link.
 *
 * | outcome | says |
 * | --- | --- |
 * | `chosen` | it serves |
 * | `skipped` | it is not configured, or what it needs is not there |
 * | `half configured` | some of its settings are there and some are missing: the search stopped |
 * | `failed` | it can never work as it is set up, or it was refused: the search stopped |
 * | `not asked` | nobody has needed it yet, or one before it was taken |
 *
 * @category models
 * @since 0.1.0
 */
export interface Explanation {
  /** The provider's name; `link 3` for one from configuration that was never looked at. */
  readonly link: string
  /** What became of it. */
  readonly outcome: "chosen" | "skipped" | "half configured" | "failed" | "not asked"
  /** Why: what was looked for and where, or what went wrong. One line, no secret. */
  readonly detail: string
}

/**
 * A provider that is the first of several that can serve.
 *
 * @category models
 * @since 0.1.0
 */
export interface Chain<out R = never> extends Provider.Provider<R> {
  /** What has become of each link until now, in order. Asks nobody. */
  readonly explain: Effect.Effect<ReadonlyArray<Explanation>>
}

/** A link that may serve, and where it stands. */
interface Candidate {
  readonly at: number
  readonly provider: Provider.Provider<any>
}

interface Decision {
  readonly explanation: ReadonlyArray<Explanation>
  /** Ready ones; the last may be one that is configured. */
  readonly candidates: ReadonlyArray<Candidate>
  /** Whether the last was meant by somebody: it is used or nothing is. */
  readonly isConfigured: boolean
  readonly error: Option.Option<MissingCredentials | PartialCredentials | InvalidOption>
}

const unseen = "nobody has needed it yet"

/** Looks at the configuration, in order, up to the first link that is configured. */
const decide = (links: ReadonlyArray<Link>): Effect.Effect<Decision> =>
  Effect.gen(function* () {
    const explanation = links.map((link, i): Explanation => ({
      link: Effect.isEffect(link) ? `link ${i + 1}` : link.name,
      outcome: "not asked",
      detail: unseen
    }))
    const candidates: Array<Candidate> = []
    let missing: MissingCredentials | undefined
    for (const [at, link] of links.entries()) {
      if (!Effect.isEffect(link)) {
        candidates.push({ at, provider: link })
        continue
      }
      const loaded = yield* Effect.either(link)
      if (loaded._tag === "Right") {
        const provider = loaded.right
        candidates.push({ at, provider })
        explanation[at] =
          candidates.length === 1
            ? { link: provider.name, outcome: "chosen", detail: "it is configured" }
            : { link: provider.name, outcome: "not asked", detail: "it is configured; nobody has needed it yet" }
        for (let i = at + 1; i < links.length; i++) {
          explanation[i] = { ...explanation[i]!, detail: `${provider.name} comes first and is configured` }
        }
        return { explanation, candidates, isConfigured: true, error: Option.none() }
      }
      const error = loaded.left
      if (error._tag !== "MissingCredentials") {
        explanation[at] = {
          link: error.provider,
          outcome: error._tag === "PartialCredentials" ? "half configured" : "failed",
          detail: withoutName(error)
        }
        return { explanation, candidates, isConfigured: false, error: Option.some(error) }
      }
      explanation[at] = {
        link: error.provider,
        outcome: "skipped",
        detail: `looked for ${error.missing.join(", ")} in the configuration, nothing is set`
      }
      missing =
        missing === undefined
          ? error
          : new MissingCredentials({
              provider: `${missing.provider} or ${error.provider}`,
              missing: [...missing.missing, ...error.missing],
              ...(error.sources === undefined ? {} : { sources: error.sources })
            })
    }
    const error = candidates.length === 0 ? Option.fromNullable(missing) : Option.none()
    return { explanation, candidates, isConfigured: false, error }
  })

const withoutName = ({ message, provider }: { readonly message: string; readonly provider: string }): string =>
  message.slice(message.indexOf(": ", provider.length) + 2)

/** Whether an error says that there is nothing to ask, rather than that asking was of no use. */
const isAbsent = ({ reason }: RefreshError): boolean => {
  switch (reason._tag) {
    case "Source":
    case "Transport":
    case "Timeout":
    case "InvalidResponse":
      return true
    default:
      return false
  }
}

/**
 * A provider of the first link that can serve.
 *
 * **Details** – links from configuration are decided at once, in order, up to the first that is configured: what comes behind that one is never
 * asked. One that is half configured stops the search: somebody meant it. Ready links are asked when a token is first needed. One that is
 * not there (its program, file or server is missing, or it took too long) is skipped; one that was refused, cannot answer now or
 * needs a person stops the search with its error. A token is renewed by the link that gave it, and says so in its `extra`; once it is forgotten the search begins anew. If none can
 * serve, the error names each with its reason.
 *
 * **Gotchas** – links that are asked for tokens must put them on requests in the same way. To keep tokens, apply `Provider.persisted` to the links, not to the
 * chain: nothing but the link that obtained it may spend a refresh token.
 *
 * @example
 * ```ts
 * import * as Chain from "effect-credentials/Chain"
 * import * as ClientCredentials from "effect-credentials/ClientCredentials"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromMap(new Map([["CLIENT_ID", "me"], ["TOKEN", "s3cret"]]))
 * const provider = Chain.firstConfigured(ClientCredentials.fromConfig(), StaticToken.fromConfig())
 * console.log(Effect.runSync(Effect.flip(Effect.withConfigProvider(provider, environment))).message)
 * // ClientCredentials is half configured: CLIENT_ID is set, TOKEN_URL or ISSUER, CLIENT_SECRET are missing
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const firstConfigured = <const Links extends readonly [Link, ...ReadonlyArray<Link>]>(
  ...links: Links
): Effect.Effect<Chain<Requirements<Links[number]>>, Problem<Links[number]>> =>
  Effect.flatMap(decide(links), (decision) =>
    Option.match(decision.error, {
      onSome: (error) => Effect.fail(error as Problem<Links[number]>),
      onNone: () => Effect.sync(() => over<Requirements<Links[number]>>(decision))
    })
  )

const over = <R>({ candidates, explanation, isConfigured }: Decision): Chain<R> => {
  const [first, ...rest] = candidates as readonly [Candidate, ...ReadonlyArray<Candidate>]
  const rows = [...explanation]
  const explain = Effect.sync((): ReadonlyArray<Explanation> => [...rows])
  if (isConfigured && rest.length === 0) return Object.assign(Provider.make<R>({ ...first.provider }), { explain })

  const name = candidates.map(({ provider }) => provider.name).join(" or ")
  const idOf = ({ at, provider }: Candidate) => `${at} ${Provenance.idOf(provider)}`
  const isOf = (candidate: Candidate) => (token: Token) => Provenance.isOf(token, idOf(candidate))
  const marked = (candidate: Candidate) => (token: Token) => Provenance.mark(token, idOf(candidate))
  const tell = ({ at }: Candidate, outcome: Explanation["outcome"], detail: string) => {
    rows[at] = { ...rows[at]!, outcome, detail }
  }
  const ask = (candidate: Candidate, need: Provider.Need): Effect.Effect<Token, RefreshError, R> => {
    const { provider } = candidate
    const asked = Spending.within(
      Effect.suspend(() => provider.acquire(need)),
      {
        after: provider.timeLimit,
        onTimeout: () =>
          new RefreshError({ provider: provider.name, reason: { _tag: "Timeout", after: provider.timeLimit } })
      }
    )
    return Effect.map(asked, marked(candidate))
  }
  const nobody = (failures: ReadonlyArray<RefreshError>) =>
    new RefreshError({
      provider: name,
      reason: {
        _tag: "Source",
        description: `none of them can serve. ${rows.map(({ detail, link }) => `${link}: ${detail}`).join(". ")}`,
        isRetryable: failures.some((error) => error.isRetryable)
      }
    })
  // A refresh token of one link must not reach the server of another: whoever is asked for the first time starts from nothing.
  const search = (
    need: Provider.Need,
    at = 0,
    failures: ReadonlyArray<RefreshError> = []
  ): Effect.Effect<Token, RefreshError, R> => {
    const candidate = candidates[at]
    if (candidate === undefined) return nobody(failures)
    return Effect.matchEffect(ask(candidate, { ...need, previous: Option.none() }), {
      onSuccess: (token) =>
        Effect.sync(() => {
          tell(candidate, "chosen", "it gave a token")
          for (const later of candidates.slice(at + 1)) {
            tell(later, "not asked", `${candidate.provider.name} comes first and serves`)
          }
          return token
        }),
      onFailure: (error): Effect.Effect<Token, RefreshError, R> => {
        const isSkipped = isAbsent(error) && !(isConfigured && candidate === candidates.at(-1))
        tell(candidate, isSkipped ? "skipped" : "failed", withoutName(error))
        return isSkipped ? search(need, at + 1, [...failures, error]) : error
      }
    })
  }
  /** Whatever becomes of one, the others hear of it too. */
  const all = <E, R>(tell: (candidate: Candidate) => Effect.Effect<void, E, R>): Effect.Effect<void, E, R> =>
    Effect.forEach(candidates, (candidate) => Effect.exit(tell(candidate))).pipe(
      Effect.flatMap((exits) => Effect.forEach(exits, (exit) => exit, { discard: true }))
    )
  const ways = new Set(candidates.map(({ provider }) => provider.authorization))
  const updates = candidates
    .filter(({ provider }) => provider.updates !== Stream.empty)
    .map((candidate) => Stream.map(candidate.provider.updates, marked(candidate)))
  return Object.assign(
    Provider.make<R>({
      name,
      acquire: (need) => {
        const served = candidates.find((candidate) => Option.exists(need.previous, isOf(candidate)))
        return served === undefined ? search(need) : ask(served, need)
      },
      authorization: first.provider.authorization,
      timeLimit: candidates.map(({ provider }) => provider.timeLimit).reduce((sum, limit) => Duration.sum(sum, limit)),
      // What is held goes back to where it came from. If nothing is, each link that keeps tokens gives back its own.
      revoke: (held) =>
        all((candidate) => {
          const its = held.filter(isOf(candidate))
          return its.length > 0 || held.length === 0 ? candidate.provider.revoke(its) : candidate.provider.forget
        }),
      forget: all(({ provider }) => provider.forget),
      ...(updates.length === 0 ? {} : { updates: merged(...updates) }),
      check: Effect.zipRight(
        Effect.forEach(candidates, ({ provider }) => provider.check, { discard: true }),
        ways.size === 1
          ? Effect.void
          : new InvalidOption({
              provider: name,
              option: "authorization",
              expected: "the same for all links: a chain puts tokens on requests in one way"
            })
      )
    }),
    { explain }
  )
}

/**
 * What the configuration makes of links, without asking any of them for a token: for a program's own `doctor` or `--explain`, above all where
 * {@link firstConfigured} fails.
 *
 * @example
 * ```ts
 * import * as Chain from "effect-credentials/Chain"
 * import * as GoogleMetadata from "effect-credentials/GoogleMetadata"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const explanation = Chain.explain(StaticToken.fromConfig(), GoogleMetadata.make()).pipe(
 *   Effect.withConfigProvider(ConfigProvider.fromMap(new Map())))
 * console.log(Chain.format(Effect.runSync(explanation)))
 * // skipped    StaticToken     looked for TOKEN in the configuration, nothing is set
 * // not asked  GoogleMetadata  nobody has needed it yet
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const explain = (...links: readonly [Link, ...ReadonlyArray<Link>]): Effect.Effect<ReadonlyArray<Explanation>> =>
  Effect.map(decide(links), ({ explanation }) => explanation)

/**
 * An explanation for a terminal: one line for each link, in columns.
 *
 * @example
 * ```ts
 * import * as Chain from "effect-credentials/Chain"
 *
 * console.log(Chain.format([
 *   { link: "Command", outcome: "skipped", detail: "gcloud was not found: install it, or check PATH" },
 *   { link: "GoogleMetadata", outcome: "chosen", detail: "it gave a token" }
 * ]))
 * // skipped  Command         gcloud was not found: install it, or check PATH
 * // chosen   GoogleMetadata  it gave a token
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const format = (explanation: ReadonlyArray<Explanation>): string => {
  const rows = explanation.map(({ detail, link, outcome }) => ({
    outcome,
    link: Text.printable(link, 64),
    detail: Text.printable(detail, 512)
  }))
  const wide = (column: "outcome" | "link") => Math.max(0, ...rows.map((row) => row[column].length))
  return rows
    .map((row) => `${row.outcome.padEnd(wide("outcome"))}  ${row.link.padEnd(wide("link"))}  ${row.detail}`.trimEnd())
    .join("\n")
}

/**
 * The same provider, which has only so long for a first token: a link of a chain that is not there is then soon passed over. Renewals have the provider's own
 * time limit.
 *
 * @example
 * ```ts
 * import * as AzureMetadata from "effect-credentials/AzureMetadata"
 * import * as Chain from "effect-credentials/Chain"
 *
 * const link = AzureMetadata.make({ resource: "https://vault.azure.net" }).pipe(Chain.within("1 second"))
 * console.log(link.name)
 * // AzureMetadata
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const within: {
  (limit: Duration.DurationInput): <R>(self: Provider.Provider<R>) => Provider.Provider<R>
  <R>(self: Provider.Provider<R>, limit: Duration.DurationInput): Provider.Provider<R>
} = /* @__PURE__ */ dual(2, <R>(self: Provider.Provider<R>, limit: Duration.DurationInput): Provider.Provider<R> => {
  const after = Option.getOrElse(Duration.decodeUnknown(limit), () => Duration.zero)
  return Provider.make({
    ...self,
    acquire: (need) =>
      Option.isSome(need.previous)
        ? self.acquire(need)
        : Spending.within(
            Effect.suspend(() => self.acquire(need)),
            {
              after,
              onTimeout: () => new RefreshError({ provider: self.name, reason: { _tag: "Timeout", after } })
            }
          ),
    check: Duration.greaterThan(after, Duration.zero)
      ? self.check
      : new InvalidOption({ provider: self.name, option: "within", expected: 'more than no time, as "1 second"' })
  })
})
