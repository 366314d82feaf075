// What module k6/execution tells; the runner keeps it.
export default {
  vu: { idInTest: 0 },
  scenario: { iterationInTest: 0 },
  sleepFor: 0,
};
