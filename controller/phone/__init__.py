"""The phone's part: one-time links, enrolment of a phone's key, and the page that draws its rotating code."""
