package spikenotifier;
class NoticeTest { }
