import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import type { ProfilesError } from "../src/CredentialsError.ts"
import * as Location from "../src/internal/location.ts"
import * as Document from "../src/internal/profiles.ts"
import * as Profiles from "../src/Profiles.ts"
import * as Provider from "../src/Provider.ts"
import * as StaticToken from "../src/providers/StaticToken.ts"
import * as Sources from "../src/Sources.ts"
import { contents, modeOf, temporary } from "./support/directories.ts"
import { canary, observe, scanner } from "./support/LeakScanner.ts"
import { clear } from "./support/clear.ts"
import * as Program from "./support/program.ts"

const variables = (settings: Readonly<Record<string, string>>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(settings)), { pathDelim: "_" }))

const failure = <A, R>(effect: Effect.Effect<A, ProfilesError, R>) =>
  Effect.map(Effect.flip(effect), ({ message, reason }) => `${reason}: ${message}`)

/** Runs a program on this runtime to its end. */
const run = (program: string, ...args: ReadonlyArray<string>) =>
  Effect.async<{ readonly code: number | null; readonly out: string }>((resume) => {
    const [file, before] = Program.command(`test/support/processes/${program}`)
    const child = execFile(file, [...before, ...args], { timeout: 100_000 }, (_, out, err) =>
      resume(Effect.succeed({ code: child.exitCode, out: out + err }))
    )
    return Effect.sync(() => child.kill())
  })

const odd = ["__proto__", "constructor", "toString", "hasOwnProperty", "ünïcode 🦊", "a/b\\..", "*"]

describe("the text of profiles", () => {
  const parsed = (text: string) => Document.parse(Option.some(text))
  const orThrow = Either.getOrThrow

  it("says of a text that is none what it is, whatever it is (S167, S180, S314)", () => {
    const cases: ReadonlyArray<readonly [string, string]> = [
      ["", "Corrupt"],
      ["\0\0\0\0", "Corrupt"],
      ['{"profiles": {"a"', "Corrupt"],
      ["[]", "Corrupt"],
      ["null", "Corrupt"],
      ['"profiles"', "Corrupt"],
      ['{"profiles": []}', "Corrupt"],
      ['{"profiles": "a"}', "Corrupt"],
      ['{"version": "1"}', "Corrupt"],
      ['{"version": 0}', "Corrupt"],
      ['{"version": 1.5}', "Corrupt"],
      [`${'{"a":'.repeat(70)}1${"}".repeat(70)}`, "Corrupt"],
      ['{"version": 999, "profiles": {}}', "NewerVersion"],
      ['{"version": 2}', "NewerVersion"]
    ]
    for (const [text, reason] of cases) {
      const result = parsed(text)
      assert.strictEqual(Either.isLeft(result) ? result.left.reason : "understood", reason, text)
    }
  })

  it("understands what people write by hand: no version, no profiles yet, a byte order mark, other line ends", () => {
    for (const text of ["{}", '{"profiles": null}', '\ufeff{"profiles":\r\n{}}', '{"version": 1}']) {
      assert.deepStrictEqual(Document.names(orThrow(parsed(text))), [])
    }
    const document = orThrow(
      parsed('{"profiles": {"a": {"settings": {"X": "1"}}, "b": {}, "c": 5, "d": {"settings": {"Y": 5}}}}')
    )
    assert.deepStrictEqual(Document.settingsOf(document, "a"), Either.right(Option.some({ X: "1" })))
    assert.deepStrictEqual(Document.settingsOf(document, "b"), Either.right(Option.some({})))
    assert.isTrue(Either.isLeft(Document.settingsOf(document, "c")))
    assert.isTrue(Either.isLeft(Document.settingsOf(document, "d")))
  })

  it("changing one profile keeps all that is not understood, and every other profile as it was (S154)", () => {
    const text = '{"editor":{"x":[1,null]},"profiles":{"a":{"settings":{"X":"1"},"colour":"red"},"b":7},"z":true}'
    const document = orThrow(parsed(text))
    const after = Document.written(document, "a", { Y: "2", S: Redacted.make("s") })
    assert.deepStrictEqual(JSON.parse(Document.print(after)), {
      editor: { x: [1, null] },
      profiles: { a: { settings: { Y: "2" }, secrets: { S: "s" }, colour: "red" }, b: 7 },
      z: true,
      version: 1
    })
    assert.deepStrictEqual(JSON.parse(Document.print(Document.removed(after, "a"))), {
      editor: { x: [1, null] },
      profiles: { b: 7 },
      z: true,
      version: 1
    })
  })

  it("reads what it wrote, whatever the names and values, and never fails otherwise than by saying so (S179)", () => {
    const name = fc.oneof(fc.constantFrom(...odd), fc.string({ unit: "binary" }))
    const value = fc.tuple(fc.string({ unit: "binary" }), fc.boolean())
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.array(fc.tuple(name, value)))), (profiles) => {
        let document = orThrow(Document.parse(Option.none()))
        const model = new Map<string, ReadonlyMap<string, string>>()
        for (const [profile, settings] of profiles) {
          const values = settings.map(
            ([key, [text, isSecret]]) => [key, isSecret ? Redacted.make(text) : text] as const
          )
          document = Document.written(document, profile, Object.fromEntries(values))
          model.set(profile, new Map(settings.map(([key, [text]]) => [key, text])))
        }
        const copy = orThrow(parsed(Document.print(document)))
        assert.deepStrictEqual(new Set(Document.names(copy)), new Set(model.keys()))
        for (const [profile, settings] of model) {
          const found = Option.getOrThrow(orThrow(Document.settingsOf(copy, profile)))
          const texts = Object.entries(found).map(([key, text]) => [
            key,
            Redacted.isRedacted(text) ? Redacted.value(text) : text
          ])
          assert.deepStrictEqual(new Map(texts as Array<[string, string]>), settings)
        }
        assert.isUndefined(({} as Record<string, unknown>)["settings"])
      })
    )
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const result = parsed(text)
        if (Either.isRight(result))
          Document.names(result.right).forEach((name) => Document.settingsOf(result.right, name))
      })
    )
  })
})

/** What holds of profiles wherever they are. */
const contract = (where: string, layer: (options?: Profiles.Options) => Layer.Layer<Profiles.Profiles, unknown>) =>
  describe(`profiles in ${where}`, () => {
    const at = <A, E>(f: (profiles: Profiles.Profiles) => Effect.Effect<A, E>, options?: Profiles.Options) =>
      Effect.flatMap(Profiles.Profiles, f).pipe(Effect.provide(layer(options)))

    it.effect("what is written is read, secrets as secrets; what is written again replaces all of it", () =>
      at((profiles) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* profiles.list, [])
          yield* profiles.write("work", { ID: "me", SECRET: Redacted.make("s3cret"), ABSENT: undefined })
          assert.deepStrictEqual(clear(yield* profiles.get("work")), { ID: "me", SECRET: { redacted: "s3cret" } })
          yield* profiles.write("home", { ID: "x" })
          yield* profiles.write("work", { URL: "https://id.test" })
          assert.deepStrictEqual(yield* profiles.get("work"), { URL: "https://id.test" })
          assert.deepStrictEqual(yield* profiles.list, ["work", "home"])
        })
      )
    )

    it.effect("removing says whether there was anything to remove", () =>
      at((profiles) =>
        Effect.gen(function* () {
          yield* profiles.write("work", { ID: "me" })
          assert.deepStrictEqual([yield* profiles.remove("home"), yield* profiles.remove("work")], [false, true])
          assert.deepStrictEqual([yield* profiles.remove("work"), yield* profiles.list], [false, []])
        })
      )
    )

    it.effect("a profile that is not there is named, with those that are (S316)", () =>
      at((profiles) =>
        Effect.gen(function* () {
          const { location } = profiles
          assert.strictEqual(
            yield* failure(profiles.get("staging")),
            `NotFound: profiles, get staging: NotFound, ${location}: there is none yet: write it first`
          )
          yield* profiles.write("work", { ID: "me" })
          yield* profiles.write("home", { ID: "me" })
          assert.strictEqual(
            yield* failure(profiles.configProvider("staging")),
            `NotFound: profiles, get staging: NotFound, ${location}: there are work, home: choose one of them or write it first`
          )
        })
      )
    )

    it.effect("a name that cannot be shown as it is is refused, and nothing is written (S178, S315)", () =>
      at((profiles) =>
        Effect.gen(function* () {
          const names = [
            "",
            " ",
            "a\nb",
            "a\0b",
            "a\tb",
            " a",
            "a ",
            "a  b",
            "a\u202eb",
            "\ud800",
            "a\u0085b",
            "x".repeat(129)
          ]
          for (const name of names) {
            for (const effect of [
              profiles.write(name, { ID: "me" }),
              profiles.get(name),
              profiles.remove(name),
              profiles.configProvider(name)
            ]) {
              assert.match(
                yield* failure<unknown, never>(effect),
                /^Invalid: .*visible characters/,
                JSON.stringify(name)
              )
            }
          }
          assert.deepStrictEqual(yield* profiles.list, [])
        })
      )
    )

    it.effect("settings that cannot be used are refused by name, and the profile stays as it was", () =>
      at((profiles) =>
        Effect.gen(function* () {
          yield* profiles.write("work", { ID: "me" })
          const cases: ReadonlyArray<readonly [Sources.Settings, RegExp]> = [
            [{ ID: " " }, /the setting ID is blank/],
            [{ ID: "x", SECRET: Redacted.make("") }, /the setting SECRET is blank/],
            [{ "": "x" }, /called like an environment variable/],
            [{ "A\nB": "x" }, /called like an environment variable, which "A B" is not/],
            [{}, /there are no settings/],
            [{ ID: undefined }, /there are no settings/]
          ]
          for (const [settings, message] of cases) {
            assert.match(yield* failure(profiles.write("work", settings)), message)
          }
          assert.deepStrictEqual(yield* profiles.get("work"), { ID: "me" })
        })
      )
    )

    it.effect("no name is special (S179, S317)", () =>
      at((profiles) =>
        Effect.gen(function* () {
          for (const name of odd) yield* profiles.write(name, { NAME: name, [name]: "x" })
          assert.deepStrictEqual(new Set(yield* profiles.list), new Set(odd))
          for (const name of odd) {
            const settings = new Map(Object.entries(yield* profiles.get(name)))
            assert.deepStrictEqual(
              settings,
              new Map([
                ["NAME", name],
                [name, "x"]
              ])
            )
          }
          for (const name of odd) assert.isTrue(yield* profiles.remove(name))
          assert.deepStrictEqual(yield* profiles.list, [])
        })
      )
    )

    it.effect("values come back as they were: line breaks, blanks around them, commas", () =>
      at((profiles) =>
        Effect.gen(function* () {
          const pem = "-----BEGIN KEY-----\nabc,def==\n-----END KEY-----\n"
          yield* profiles.write("work", { KEY: Redacted.make(pem), PASSWORD: Redacted.make(" a b "), LIST: "a,b" })
          const settings = yield* profiles.configProvider("work")
          const read = <A>(config: Config.Config<A>) => Effect.withConfigProvider(config, settings)
          assert.strictEqual(Redacted.value(yield* read(Config.redacted("KEY"))), pem)
          assert.strictEqual(Redacted.value(yield* read(Config.redacted("PASSWORD"))), " a b ")
          assert.deepStrictEqual(yield* read(Config.array(Config.string(), "LIST")), ["a", "b"])
        })
      )
    )

    it.effect("many fibers write their own profiles at once, and none is lost (S155)", () =>
      at((profiles) =>
        Effect.gen(function* () {
          const names = Array.from({ length: 20 }, (_, at) => `profile ${at}`)
          yield* Effect.forEach(names, (name) => profiles.write(name, { NAME: name }), { concurrency: "unbounded" })
          assert.deepStrictEqual(new Set(yield* profiles.list), new Set(names))
        })
      )
    )
  })

contract("memory", Profiles.layerMemory)

const inOwnDirectory = (options?: Profiles.FileOptions) =>
  Layer.unwrapScoped(Effect.map(temporary, (directory) => Profiles.layerFile({ ...options, directory })))

contract("a file", inOwnDirectory)

describe("the file of profiles", () => {
  const isWindows = process.platform === "win32"
  const write = (directory: string, text: string) => fs.writeFileSync(path.join(directory, "profiles.json"), text)
  const at = <A, E>(
    f: (profiles: Profiles.Profiles, directory: string) => Effect.Effect<A, E>,
    options?: Profiles.FileOptions
  ) =>
    Effect.flatMap(temporary, (directory) =>
      Effect.flatMap(Profiles.Profiles, (profiles) => f(profiles, directory)).pipe(
        Effect.provide(Profiles.layerFile({ ...options, directory }))
      )
    )

  it.scopedLive.skipIf(isWindows)(
    "is private, and so is its directory, whatever the umask and whatever was there; one that others can read is refused where that is wanted (S165, S319)",
    () =>
      Effect.gen(function* () {
        const inside = path.join(yield* temporary, "config", "mine")
        const before = process.umask(0)
        yield* Effect.gen(function* () {
          const profiles = yield* Profiles.Profiles
          assert.deepStrictEqual(yield* profiles.list, [])
          assert.isFalse(yield* profiles.remove("work"))
          assert.isFalse(fs.existsSync(inside), "nothing is made where nothing is written")
          yield* profiles.write("work", { ID: "me" })
          assert.deepStrictEqual([modeOf(inside), modeOf(path.join(inside, "profiles.json"))], [0o700, 0o600])
          fs.chmodSync(path.join(inside, "profiles.json"), 0o644)
          yield* profiles.get("work")
          assert.strictEqual(modeOf(path.join(inside, "profiles.json")), 0o600)
        }).pipe(
          Effect.provide(Profiles.layerFile({ directory: inside })),
          Effect.ensuring(Effect.sync(() => process.umask(before)))
        )
        fs.chmodSync(path.join(inside, "profiles.json"), 0o644)
        const refused = Effect.flatMap(Profiles.Profiles, ({ list }) => list).pipe(
          Effect.provide(Profiles.layerFile({ directory: inside, permissions: "refuse" }))
        )
        assert.strictEqual((yield* Effect.flip(refused))._tag, "ProfilesError")
        assert.strictEqual(modeOf(path.join(inside, "profiles.json")), 0o644)
      })
  )

  it.scopedLive("that is no good is left alone by who reads, and set aside once by who writes (S167)", () =>
    Effect.gen(function* () {
      for (const text of ["", "{", "\0\0\0", '{"profiles": []}', "\u00ff", "x".repeat(1_048_577)]) {
        yield* at((profiles, directory) =>
          Effect.gen(function* () {
            const bytes = text === "\u00ff" ? Buffer.from([0xff]) : Buffer.from(text)
            fs.writeFileSync(path.join(directory, "profiles.json"), bytes)
            for (const read of [profiles.list, profiles.get("work"), profiles.configProvider()]) {
              const message = yield* failure<unknown, never>(read)
              assert.match(message, /^Corrupt/)
              assert.include(message, path.join(directory, "profiles.json"))
            }
            assert.deepStrictEqual(Object.keys(contents(directory)), ["profiles.json"])
            assert.match(
              yield* failure(profiles.write("work", { ID: "me" })),
              /^Corrupt: .*set aside as profiles\.json\.corrupt-1, write again/
            )
            assert.isTrue(fs.readFileSync(path.join(directory, "profiles.json.corrupt-1")).equals(bytes))
            yield* profiles.write("work", { ID: "me" })
            assert.deepStrictEqual(yield* profiles.list, ["work"])
          })
        )
      }
    })
  )

  it.scopedLive("of a newer version is refused, and stays byte for byte (S180)", () =>
    at((profiles, directory) =>
      Effect.gen(function* () {
        const text = '{"version":999,"profiles":{"work":{"settings":{"ID":"me"}}}}'
        write(directory, text)
        const all = [profiles.list, profiles.get("work"), profiles.write("work", { ID: "x" }), profiles.remove("work")]
        for (const effect of all) assert.match(yield* failure<unknown, never>(effect), /^NewerVersion: .*update/)
        assert.deepStrictEqual(contents(directory), { "profiles.json": text })
      })
    )
  )

  it.scopedLive("keeps what others wrote into it; a profile that is no good hides none of the others (S154)", () =>
    at((profiles, directory) =>
      Effect.gen(function* () {
        write(directory, '{"tool":{"colour":"red"},"profiles":{"a":{"settings":{"ID":"x"}},"b":7}}')
        assert.deepStrictEqual([yield* profiles.list, yield* profiles.get("a")], [["a", "b"], { ID: "x" }])
        assert.match(yield* failure(profiles.get("b")), /^Corrupt: .*the profile is no object/)
        yield* profiles.write("c", { ID: "y" })
        assert.deepStrictEqual(JSON.parse(contents(directory)["profiles.json"]!), {
          tool: { colour: "red" },
          profiles: { a: { settings: { ID: "x" } }, b: 7, c: { settings: { ID: "y" }, secrets: {} } },
          version: 1
        })
      })
    )
  )

  it.scopedLive(
    "is not written when there is nothing to change, nor when it would be too long to be read again (S186)",
    () =>
      at((profiles, directory) =>
        Effect.gen(function* () {
          yield* profiles.write("work", { ID: "me" })
          const { ino } = fs.statSync(path.join(directory, "profiles.json"))
          yield* profiles.write("work", { ID: "me" })
          yield* profiles.remove("home")
          assert.match(
            yield* failure(profiles.write("big", { PEM: "é".repeat(600_000) })),
            /^Invalid: .*may be a mebibyte/
          )
          assert.strictEqual(fs.statSync(path.join(directory, "profiles.json")).ino, ino)
          assert.deepStrictEqual(yield* profiles.list, ["work"])
        })
      )
  )

  it.scopedLive("ten thousand profiles are one file, of which nothing is lost when one is written (S185)", () =>
    at((profiles, directory) =>
      Effect.gen(function* () {
        const many = Object.fromEntries(
          Array.from({ length: 10_000 }, (_, n) => [`p${n}`, { settings: { ID: `${n}` } }])
        )
        write(directory, JSON.stringify({ version: 1, profiles: many }))
        assert.strictEqual((yield* profiles.list).length, 10_000)
        assert.deepStrictEqual(yield* profiles.get("p9999"), { ID: "9999" })
        yield* profiles.write("p5000", { ID: "new" })
        yield* profiles.remove("p0")
        assert.strictEqual((yield* profiles.list).length, 9_999)
        assert.deepStrictEqual(
          [yield* profiles.get("p5000"), yield* profiles.get("p9999")],
          [{ ID: "new" }, { ID: "9999" }]
        )
        assert.deepStrictEqual(
          Object.keys(contents(directory)).filter((name) => !name.includes(".lock")),
          ["profiles.json"]
        )
      })
    )
  )

  it.scopedLive("where there can be none: a typed error, at once or when it is needed (S177)", () =>
    Effect.gen(function* () {
      const root = yield* temporary
      fs.writeFileSync(path.join(root, "file"), "")
      for (const directory of ["relative", "", "/a/../b", "/a\0b"]) {
        const error = yield* Effect.flip(Effect.scoped(Layer.build(Profiles.layerFile({ directory }))))
        assert.strictEqual(
          error.message,
          'Profiles: option directory must be an absolute path without ".." and control characters'
        )
      }
      const inFile = Effect.flatMap(Profiles.Profiles, (profiles) => profiles.write("work", { ID: "me" })).pipe(
        Effect.provide(Profiles.layerFile({ directory: path.join(root, "file") }))
      )
      assert.match((yield* Effect.flip(inFile)).message, /^profiles, write work: Unavailable, ENOTDIR/)
    })
  )

  it.scopedLive(
    "several processes write profiles of their own at once, and none is lost (S155)",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporary
        const processes = Number(process.env["PROFILE_WRITERS"] ?? 3)
        const times = processes > 3 ? 100 : 10
        const names = Array.from({ length: processes }, (_, at) => `writer ${at}`)
        const exits = yield* Effect.forEach(names, (name) => run("profileWriter.ts", directory, name, `${times}`), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(
          exits,
          names.map(() => ({ code: 0, out: "" }))
        )
        yield* Effect.gen(function* () {
          const profiles = yield* Profiles.Profiles
          assert.deepStrictEqual(new Set(yield* profiles.list), new Set(names))
          for (const name of names) assert.deepStrictEqual(yield* profiles.get(name), { NTH: `${times}` })
        }).pipe(Effect.provide(Profiles.layerFile({ directory })))
      }),
    120_000
  )

  it.scopedLive("no secret shows in what goes wrong with the file", () =>
    at((profiles, directory) =>
      Effect.gen(function* () {
        const secrets = { broken: canary("in a broken file"), kind: canary("of the wrong kind") }
        const program = Effect.gen(function* () {
          write(directory, `{"profiles": {"a": {"secrets": {"S": "${secrets.broken}"}}}`)
          const broken = yield* Effect.flip(profiles.get("a"))
          const aside = yield* Effect.flip(profiles.write("b", { S: Redacted.make(secrets.kind) }))
          write(directory, `{"profiles": {"a": {"secrets": {"S": ["${secrets.kind}"]}}}}`)
          return [profiles, broken, aside, yield* Effect.flip(profiles.get("a"))]
        })
        assert.deepStrictEqual(scanner(secrets)(yield* Effect.promise(() => observe(program))), [])
      })
    )
  )
})

describe("where the file is", () => {
  const where = (platform: string, environment: Readonly<Record<string, string>>) =>
    Either.merge(Location.directory(Location.configuration, undefined, platform, environment))

  it("by the conventions of the platform, else where EFFECT_CREDENTIALS_CONFIG says (S320)", () => {
    const home = { HOME: "/home/me" }
    assert.strictEqual(where("linux", home), "/home/me/.config/effect-credentials")
    assert.strictEqual(where("linux", { ...home, XDG_CONFIG_HOME: "/x/" }), "/x/effect-credentials")
    assert.strictEqual(where("linux", { ...home, XDG_CONFIG_HOME: "x" }), "/home/me/.config/effect-credentials")
    assert.strictEqual(where("darwin", home), "/home/me/Library/Application Support/effect-credentials")
    assert.strictEqual(
      where("win32", { APPDATA: "C:\\Users\\me\\Roaming" }),
      "C:\\Users\\me\\Roaming\\effect-credentials"
    )
    assert.strictEqual(where("linux", { ...home, EFFECT_CREDENTIALS_CONFIG: "/y" }), "/y")
    assert.strictEqual(
      where("linux", { ...home, EFFECT_CREDENTIALS_STORE: "/y" }),
      "/home/me/.config/effect-credentials"
    )
    assert.match(where("linux", {}), /set HOME, EFFECT_CREDENTIALS_CONFIG or the option directory/)
  })
})

describe("the current profile", () => {
  const current = (profile: string | undefined, settings: Readonly<Record<string, string>>) =>
    Effect.flatMap(Profiles.Profiles, ({ current }) => current).pipe(
      Effect.catchAll(({ message }) => Effect.succeed(message)),
      Effect.provide(Profiles.layerMemory({ profile })),
      variables(settings)
    )

  it.effect("is the one of the option, then of EFFECT_CREDENTIALS_PROFILE, then `default`", () =>
    Effect.gen(function* () {
      const variable = { EFFECT_CREDENTIALS_PROFILE: "staging" }
      assert.strictEqual(yield* current("work", variable), "work")
      assert.strictEqual(yield* current(undefined, variable), "staging")
      assert.strictEqual(yield* current(undefined, { EFFECT_CREDENTIALS_PROFILE: " " }), "default")
      assert.strictEqual(yield* current(undefined, {}), "default")
      for (const bad of [yield* current("", {}), yield* current(undefined, { EFFECT_CREDENTIALS_PROFILE: "a\nb" })]) {
        assert.match(bad, /^profiles, current: Invalid/)
      }
    })
  )
})

describe("explicit, environment, profile", () => {
  /** A provider, told by what it is made of. */
  const made: Array<string> = []
  const provider = Provider.fromConfig(
    "Test",
    { id: Config.string("ID"), secret: Config.redacted("SECRET") },
    ({ id, secret }) => {
      made.push(`${id}/${Redacted.value(secret)}`)
      return StaticToken.make({ token: "x" })
    }
  )
  const outcome = (given: {
    readonly explicit?: Sources.Settings
    readonly environment?: Readonly<Record<string, string>>
    readonly profiles?: Readonly<Record<string, Sources.Settings>>
    readonly profile?: string
  }) =>
    Effect.gen(function* () {
      const profiles = yield* Profiles.Profiles
      for (const [name, settings] of Object.entries(given.profiles ?? {})) yield* profiles.write(name, settings)
      yield* Effect.provide(provider, Profiles.layerSources({ explicit: given.explicit, profile: given.profile }))
      return made.pop()!
    }).pipe(
      Effect.catchAll(({ _tag, message }) => Effect.succeed(`${_tag}: ${message}`)),
      Effect.provide(Profiles.layerMemory()),
      variables(given.environment ?? {})
    )
  const whole = (from: string) => ({ ID: from, SECRET: from })

  it.effect("the first that has any setting decides alone (S313)", () =>
    Effect.gen(function* () {
      const profiles = { default: whole("profile"), work: whole("work") }
      const cases: ReadonlyArray<readonly [Parameters<typeof outcome>[0], string]> = [
        [{ explicit: whole("flag"), environment: whole("variable"), profiles }, "flag/flag"],
        [{ explicit: {}, environment: whole("variable"), profiles }, "variable/variable"],
        [{ environment: whole("variable"), profiles, profile: "work" }, "variable/variable"],
        [{ profiles }, "profile/profile"],
        [{ profiles, profile: "work" }, "work/work"],
        [{ profiles, environment: { EFFECT_CREDENTIALS_PROFILE: "work" } }, "work/work"],
        [{ profiles, profile: "default", environment: { EFFECT_CREDENTIALS_PROFILE: "work" } }, "profile/profile"],
        [{ explicit: { ID: "" }, environment: { SECRET: " " }, profiles }, "profile/profile"]
      ]
      for (const [given, expected] of cases) assert.strictEqual(yield* outcome(given), expected)
    })
  )

  it.effect("a half-configured environment is not completed by the profile, and says so", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* outcome({ environment: { ID: "variable" }, profiles: { work: whole("work") }, profile: "work" }),
        "PartialCredentials: Test is half configured in the environment: ID is set, SECRET is missing (profile work (memory) has SECRET, but sources are never mixed)"
      )
      assert.strictEqual(
        yield* outcome({ explicit: { ID: "flag" }, environment: { SECRET: "variable" } }),
        "PartialCredentials: Test is half configured in the options: ID is set, SECRET is missing (the environment has SECRET, but sources are never mixed)"
      )
      assert.strictEqual(
        yield* outcome({ profiles: { default: { ID: "x" } } }),
        "PartialCredentials: Test is half configured in profile default (memory): ID is set, SECRET is missing"
      )
    })
  )

  it.effect(
    "nothing anywhere: says where it was looked for; a profile that somebody named has to be there (S316)",
    () =>
      Effect.gen(function* () {
        assert.strictEqual(
          yield* outcome({ profiles: { work: whole("work") } }),
          "MissingCredentials: Test is not configured: set ID, SECRET (looked for in the environment, profile default (memory))"
        )
        const expected =
          "InvalidOption: Profiles: option profile must be one that exists, which staging does not (memory: there are work: choose one of them or write it first)"
        const profiles = { work: whole("work") }
        assert.strictEqual(yield* outcome({ profiles, profile: "staging" }), expected)
        assert.strictEqual(
          yield* outcome({ profiles, environment: { EFFECT_CREDENTIALS_PROFILE: "staging" } }),
          expected
        )
        assert.match(
          yield* outcome({ profile: "a\nb" }),
          /^InvalidOption: Profiles: option profile must be the name of a/
        )
      })
  )

  it.effect("a program that its environment configures needs no profile that can be read", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* outcome({ environment: whole("variable"), profile: "not there" }), "variable/variable")
    })
  )

  it.effect("nothing of the environment is written by using it", () =>
    Effect.gen(function* () {
      const profiles = yield* Profiles.Profiles
      yield* profiles.write("work", { OTHER: "x" })
      yield* provider.pipe(Effect.provide(Profiles.layerSources({ profile: "work" })), variables(whole("variable")))
      assert.deepStrictEqual([yield* profiles.list, yield* profiles.get("work")], [["work"], { OTHER: "x" }])
    }).pipe(Effect.provide(Profiles.layerMemory()))
  )

  it.effect("no secret shows in errors, logs, or anything that holds one", () =>
    Effect.gen(function* () {
      const secrets = { secret: canary("a profile's secret"), written: canary("a secret that is refused") }
      const program = Effect.gen(function* () {
        const profiles = yield* Profiles.Profiles
        yield* profiles.write("work", { SECRET: Redacted.make(secrets.secret) })
        const settings = yield* profiles.get("work")
        yield* Effect.log("the profile", settings, yield* Effect.exit(profiles.configProvider("work")))
        const sources = yield* Effect.provide(Sources.current, Profiles.layerSources({ profile: "work" }))
        const errors = [
          yield* Effect.flip(profiles.write("w", { SECRET: Redacted.make(secrets.written), "\n": "x" })),
          yield* Effect.flip(profiles.get("other")),
          yield* Effect.flip(Effect.provide(provider, Profiles.layerSources({ profile: "work" }))),
          yield* Effect.flip(Effect.provide(provider, Profiles.layerSources({ profile: "other" })))
        ]
        return [profiles, settings, sources, ...errors]
      }).pipe(Effect.provide(Profiles.layerMemory()), variables({}))
      assert.deepStrictEqual(scanner(secrets)(yield* Effect.promise(() => observe(program))), [])
    })
  )
})
