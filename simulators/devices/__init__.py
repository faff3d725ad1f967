"""Virtual scanners, thermometers, modem and voice, written from the vendors' frames and from nothing of ours."""
