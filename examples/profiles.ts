/**
 * Creates, shows and removes profiles: `npx tsx examples/profiles.ts`, then `create`, `show` or `remove` and a name.
 *
 * A profile holds what a client needs to log in. Its secret is typed unseen, kept in a file that only you can read, and shown to nobody. Programs
 * read the profile that EFFECT_CREDENTIALS_PROFILE names, else the one called default; a different directory is set by EFFECT_CREDENTIALS_CONFIG.
 */
import { Data, Effect, Redacted } from "effect"
import { type CredentialsError, Profiles, type Sources } from "effect-credentials"
import { argv } from "node:process"
import { ask, type Cancelled, confirm, type NotATerminal } from "./support/questions.ts"
import { say } from "./support/terminal.ts"

class Usage extends Data.TaggedError("Usage")<{ readonly message: string }> {}

const usage = new Usage({ message: "give create, show or remove, and the name of a profile" })

type ProgramError = Usage | NotATerminal | Cancelled | CredentialsError.ProfilesError

const lines = (settings: Sources.Settings): ReadonlyArray<string> =>
  Object.entries(settings).map(([name, value]) => `  ${name} = ${Redacted.isRedacted(value) ? "••••••••" : value}`)

/** One profile, or all of them; secrets are masked. */
const show = (name: string | undefined) =>
  Effect.gen(function* () {
    const profiles = yield* Profiles.Profiles
    const names = name === undefined ? yield* profiles.list : [name]
    const current = yield* profiles.current
    if (names.length === 0) say(`There are no profiles yet in ${profiles.location}: create one.`)
    for (const name of names) {
      const settings = yield* profiles.get(name)
      say(name === current ? `${name} (current)` : name)
      lines(settings).forEach((line) => say(line))
    }
  })

const create = (given: string | undefined) =>
  Effect.gen(function* () {
    const profiles = yield* Profiles.Profiles
    const name = given ?? (yield* ask("Name of the profile:"))
    // Whatever else is wrong, the name for one, is told before anything is asked.
    const isThere = yield* Effect.as(profiles.get(name), true).pipe(
      Effect.catchIf(
        ({ reason }) => reason === "NotFound",
        () => Effect.succeed(false)
      )
    )
    const issuer = yield* ask("Address of the authorization server (ISSUER):")
    const clientId = yield* ask("CLIENT_ID:")
    const clientSecret = yield* ask("CLIENT_SECRET (hidden; empty: none):", { hidden: true })
    const settings = {
      ISSUER: issuer,
      CLIENT_ID: clientId,
      ...(clientSecret === "" ? {} : { CLIENT_SECRET: Redacted.make(clientSecret) })
    }
    lines(settings).forEach((line) => say(line))
    yield* confirm(isThere ? `Replace the profile ${name}?` : `Write this as ${name} to ${profiles.location}?`)
    yield* profiles.write(name, settings)
    say(`The profile ${name} is written.`)
  })

const remove = (given: string | undefined) =>
  Effect.gen(function* () {
    const profiles = yield* Profiles.Profiles
    const name = given ?? (yield* ask("Name of the profile:"))
    yield* profiles.get(name)
    yield* confirm(`Remove the profile ${name}?`)
    yield* profiles.remove(name)
    say(`The profile ${name} is removed.`)
  })

const program = Effect.suspend((): Effect.Effect<void, ProgramError, Profiles.Profiles> => {
  const [command = "show", name, ...rest] = argv.slice(2)
  if (rest.length > 0) return usage
  switch (command) {
    case "create":
      return create(name)
    case "show":
      return show(name)
    case "remove":
      return remove(name)
    default:
      return usage
  }
})

await program.pipe(
  Effect.provide(Profiles.layerFile()),
  Effect.as(0),
  Effect.catchAll((error) => Effect.sync(() => say(`${error._tag}: ${error.message}`)).pipe(Effect.as(1))),
  Effect.map((code) => (process.exitCode = code)),
  Effect.runPromise
)
