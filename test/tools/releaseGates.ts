/** What has to be true of the repository before anything long is run for a release: each is refused with one sentence that says what to do. */

/** What is looked at. */
export interface State {
  /** `git status --porcelain`. */
  readonly status: string
  /** The tags of other commits. */
  readonly tags: ReadonlyArray<string>
  /** The version of package.json, the one place where it is written. */
  readonly version: string
  /** What follows it, by file; `npm run exports` and `npm install` write them. */
  readonly followers: Readonly<Record<string, unknown>>
  readonly changelog: string
}

/** A version as npm and JSR want it. */
const semver = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/

/** The heading and the text of a version in the changelog. */
const sectionOf = (changelog: string, version: string): readonly [heading: string, text: string] | undefined => {
  const section = changelog.split(/^(?=## )/m).find((part) => part.split(/\s/)[1] === version)
  if (section === undefined) return undefined
  const [heading = "", ...lines] = section.split("\n")
  return [heading, lines.join("\n").trim()]
}

/** Why there can be no release; empty if nothing speaks against it. */
export const refusals = ({ changelog, followers, status, tags, version }: State): ReadonlyArray<string> => {
  const sentences: Array<string> = []
  const changed = status.split("\n").filter((line) => line !== "")
  if (changed.length > 0) {
    sentences.push(`The tree is not clean: commit or remove ${changed.map((line) => line.slice(3)).join(", ")}.`)
  }
  if (!semver.test(version)) sentences.push(`The version in package.json is ${version}: make it like 1.2.3.`)
  const others = Object.entries(followers).filter(([, other]) => other !== version)
  if (others.length > 0) {
    const found = others.map(([file, other]) => `${file} ${other}`).join(", ")
    sentences.push(
      `package.json says ${version} and ${found}: run npm run exports and npm install --package-lock-only.`
    )
  }
  if (tags.includes(`v${version}`)) sentences.push(`Another commit has the tag v${version}: raise the version.`)
  const section = sectionOf(changelog, version)
  if (section === undefined) {
    sentences.push(`CHANGELOG.md has no section "## ${version}": write what users will notice.`)
  } else if (/unreleased/i.test(section[0])) {
    sentences.push(`CHANGELOG.md calls ${version} unreleased: give its heading the date.`)
  } else if (section[1] === "") {
    sentences.push(`CHANGELOG.md says nothing of ${version}: write what users will notice.`)
  }
  return sentences
}
