// Adds up the test runner's reports: `node sum.mjs FAILED_STEPS CODE:REPORT...` ends with one line.
// Before it stands each test that failed once and passed when it was tried again, with its failure.
// A step without a report (types, style, build) that failed counts as one failure, and so does a
// test run that failed without a failed test (a file that can't be loaded, a crash).
import { existsSync, readFileSync } from 'node:fs';

const [steps = '0', ...runs] = process.argv.slice(2);
let passed = 0;
let failed = Number(steps);
for (const run of runs) {
  const [code, path] = [run.slice(0, run.indexOf(':')), run.slice(run.indexOf(':') + 1)];
  let failedHere = 0;
  if (existsSync(path)) {
    const report = JSON.parse(readFileSync(path, 'utf8'));
    passed += report.numPassedTests;
    for (const file of report.testResults) sayUnsteady(file);
    failedHere = report.numFailedTests + report.testResults.filter(failedAsAWhole).length;
  }
  failed += failedHere === 0 && code !== '0' ? 1 : failedHere;
}
console.log(`${passed} passed, ${failed} failed`);

function sayUnsteady({ name, assertionResults }) {
  for (const { status, fullName, failureMessages = [] } of assertionResults) {
    if (status !== 'passed' || failureMessages.length === 0) continue;
    console.log(`unsteady, passed at the second try: ${name} > ${fullName}`);
    console.log(`  ${failureMessages[0].split('\n')[0]}`);
  }
}

function failedAsAWhole(file) {
  return file.status === 'failed' && file.assertionResults.every((it) => it.status !== 'failed');
}
